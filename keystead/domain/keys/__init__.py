"""A key and what belongs to it: life, rotation, algorithms, aliases, tags, encryption context."""
