"""Key material in use."""

from keystead.crypto.primitives.concealed import Concealed
from keystead.crypto.primitives.prf import Prf


class Material(Concealed):
    """The secret bytes of a symmetric key version or wrapping key, as what message keys are derived by; the bytes themselves
    are not kept."""

    __slots__ = ("prf",)

    def __init__(self, value: bytes) -> None:
        self.prf = Prf("sha512", value)
