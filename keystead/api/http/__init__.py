"""Requests and answers as text and bytes: parsed, signed, encoded; nothing of what they ask for."""
