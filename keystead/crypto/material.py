"""Key material in use: it shows itself to nobody."""

from typing import NoReturn

from keystead.crypto.prf import Prf


class Material:
    """The secret bytes of a symmetric key version or wrapping key, as what message keys are derived by; the bytes themselves
    are not kept. No repr, no equality, no pickle, no hash of its content."""

    __slots__ = ("prf",)

    def __init__(self, value: bytes) -> None:
        self.prf = Prf("sha512", value)

    def __repr__(self) -> str:
        return "<Material>"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("material is not compared")

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("material is not pickled")
