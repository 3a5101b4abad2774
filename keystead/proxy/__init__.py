"""What `keystead run` puts between an official client and the server: a proxy, a CA for one run, an environment."""
