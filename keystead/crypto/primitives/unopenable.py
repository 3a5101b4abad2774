"""The one error of everything that decrypts."""


class Unopenable(Exception):
    """It does not open: malformed, tampered with, or made for another key or context. It never says which."""
