"""The operations of our own product for the console: how a person signs in, and what no API of the vendor's tells."""
