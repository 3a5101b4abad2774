"""What a data directory holds: its paths and lock, the opened store, a seed and how it gets in, and who runs on it."""
