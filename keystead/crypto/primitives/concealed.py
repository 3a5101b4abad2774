"""What every secret in memory has in common: it shows itself to nobody."""

from typing import NoReturn


class Concealed:
    """No repr, no equality, no hash, no pickle of its content."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("secrets are not compared")

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("secrets are not pickled")
