"""Signs and sends requests: to a Keystead server, or to the vendor's real service."""
