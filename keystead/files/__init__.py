"""Encrypted files and configuration values: their formats, and how they are made, opened and renewed."""
