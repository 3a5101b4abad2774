"""Why nobody may use a store: it was moved elsewhere, or it is a copy that is not whole yet."""

from typing import Literal

import msgspec

from keystead.errors import OperatorError


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """`move` is the id of the move, `other` the other place of it, for people.

    Of a copy: `origin` stands for what is copied, as it was at the begin, "" if that is not known any more, and `order` for
    the order of its rows. All of `table` up to the one of the key `after` are there, and all of the tables before; `settled`
    says that all rows are, with what is new in this store.
    """

    state: Literal["copying", "moved"]
    move: str
    other: str
    origin: str = ""
    order: str = ""
    trial: bool = False
    table: str = ""
    after: bytes = b""  # in MessagePack
    settled: bool = False

    @property
    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()

    def refusal(self, shown: str) -> OperatorError:
        """The error of whoever wants to use the store at this place."""
        if self.state == "moved":
            return OperatorError(
                f"the store {shown} was moved to {self.other}",
                hint=f'set store = "{self.other}" (--store, KEYSTEAD_STORE, or in the file of KEYSTEAD_CONFIG)'
                if "://" in self.other
                else f"keystead serve --data {self.other}, without a setting store",
            )
        return OperatorError(
            f"the store {shown} is a copy of {self.other} that is not whole yet",
            hint="run the same keystead store copy again: it goes on from there",
        )


def hold_of(text: str) -> Hold | None:
    """The hold that was kept as this; None for none. OperatorError if it is of a newer version."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Hold)
    except msgspec.MsgspecError:
        raise OperatorError(
            "the store is not to be used, for a reason that this version does not know",
            hint="upgrade keystead",
        ) from None
