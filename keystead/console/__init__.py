"""The console: pages for people, rendered in a process without keys and without the store."""
