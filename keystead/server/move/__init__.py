"""A store moved from one place to another: a data directory or a database that servers share."""
