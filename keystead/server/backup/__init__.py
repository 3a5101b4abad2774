"""Backups: how one is made, proved and restored, and what comes back to life with it."""
