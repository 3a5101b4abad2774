"""The operations of our own product for the console: how a person signs in, stays signed in, and signs out."""
