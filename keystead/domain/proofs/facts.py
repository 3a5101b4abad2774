"""What a proof reads of a record."""

from typing import Any, NamedTuple

import msgspec

MOST = 20  # findings that are told one by one


class Fact(NamedTuple):
    """Some columns of the record of a success; `place` is where it stands in the log."""

    place: int
    chain: str
    sequence: int
    revision: int
    time: int
    account: str
    action: str
    access_key_id: str
    resources: str
    parameters: str


class Findings:
    """What was found, in words: the first ones, and how many there are."""

    def __init__(self) -> None:
        self.amount = 0
        self.first: list[str] = []

    def add(self, text: str) -> None:
        self.amount += 1
        if len(self.first) < MOST:
            self.first.append(text)

    def join(self, others: "Findings") -> None:
        self.amount += others.amount
        self.first = [*self.first, *others.first][:MOST]


def texts(content: str) -> list[str]:
    """The texts of a JSON list; none if that is no such list."""
    try:
        return _TEXTS.decode(content)
    except msgspec.DecodeError:  # somebody altered it, which the chain tells
        return []


def members(content: str) -> dict[str, Any]:
    """The members of a JSON object; none if that is no object."""
    try:
        return _MEMBERS.decode(content)
    except msgspec.DecodeError:  # as above
        return {}


_TEXTS = msgspec.json.Decoder(list[str])
_MEMBERS = msgspec.json.Decoder(dict[str, Any])
