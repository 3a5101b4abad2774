"""A whole store, carried from one database to another."""
