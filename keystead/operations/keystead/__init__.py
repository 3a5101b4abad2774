"""The operations of our own product, for operators: what the vendor's APIs lack."""
