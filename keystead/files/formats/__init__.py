"""The formats of configuration files, and where the values stand in a text of each."""
