"""What the literature names: ciphers, key pairs, codes, key derivation, computed by OpenSSL."""
