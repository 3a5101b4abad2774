"""Our own product for the console: how a person signs in, and what pages show that no other product tells."""
