"""All cryptography, and the only place where key material is in the clear."""
