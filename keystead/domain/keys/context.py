"""The encryption context: the caller's string map, bound to a ciphertext as associated data."""

from collections.abc import Mapping


def canonical(context: Mapping[str, str]) -> bytes:
    """An injective encoding: pairs sorted by the UTF-8 bytes of their names, each string behind its 4-byte length.

    Order and spacing of the client's JSON do not matter; absent and `{}` are the same (the empty string).
    """
    if not context:
        return b""
    pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    return b"".join(len(part).to_bytes(4, "big") + part for name, value in pairs for part in (name, value))
