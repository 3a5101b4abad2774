"""Key material in the clear: it shows itself to nobody."""

from typing import NoReturn


class Material:
    """Secret bytes of a key version or wrapping key. No repr, no equality, no pickle, no hash of its content."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def expose(self) -> bytes:
        """The bytes; called inside `keystead.crypto` only."""
        return self._value

    def __repr__(self) -> str:
        return "<Material>"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("material is not compared")

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("material is not pickled")
