"""Key material in the clear: it shows itself to nobody."""

from typing import NoReturn

from keystead.crypto.prf import Prf


class Material:
    """Secret bytes of a key version or wrapping key. No repr, no equality, no pickle, no hash of its content."""

    __slots__ = ("_prf", "_value")

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._prf: Prf | None = None

    def expose(self) -> bytes:
        """The bytes; called inside `keystead.crypto` only."""
        return self._value

    @property
    def prf(self) -> Prf:
        """HMAC-SHA-512 under the bytes, by which message keys are derived."""
        if self._prf is None:
            self._prf = Prf("sha512", self._value)
        return self._prf

    def __repr__(self) -> str:
        return "<Material>"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("material is not compared")

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("material is not pickled")
