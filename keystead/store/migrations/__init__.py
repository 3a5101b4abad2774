"""The schema, as numbered migrations; each is applied once, in one transaction with its record."""
