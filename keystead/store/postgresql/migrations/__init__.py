"""The steps of the schema in PostgreSQL, numbered by themselves."""
