"""The operations of Kms: one module a family, which its docstring names before the colon."""
