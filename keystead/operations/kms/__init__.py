"""The operations of Kms: one module a family."""
