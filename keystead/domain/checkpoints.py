"""Checkpoints: the head of a server's chain of records at one time, as the text of a signed note.

The first three lines are those of a C2SP tlog-checkpoint (origin, size, hash); the hash is the last one of the chain, not
the root of a Merkle tree, which the fourth line says, with the time. See docs/explanation/formats.md.
"""

import base64
import re

import msgspec

from keystead.clock import from_iso8601, iso8601
from keystead.domain.audit import Head

_PREFIX = "keystead/"
_KIND = "keystead-audit-chain/1"
_FORM = re.compile(
    rf"{_PREFIX}([0-9A-Za-z.-]{{1,64}})\n(0|[1-9][0-9]{{0,17}})\n([0-9A-Za-z+/]{{43}}=)\n{_KIND} ([0-9TZ:-]{{20}})\n"
)


def origin(chain: str) -> str:
    """The name of a chain in checkpoints, and of the key that signs them."""
    return f"{_PREFIX}{chain}"


class Checkpoint(msgspec.Struct, frozen=True):
    """The head of a chain, and when it was that: seconds since 1970."""

    chain: str
    head: Head
    time: int

    @property
    def text(self) -> str:
        """The text that is signed."""
        digest = base64.b64encode(self.head.hash).decode()
        return f"{origin(self.chain)}\n{self.head.count}\n{digest}\n{_KIND} {iso8601(self.time)}\n"


def read(text: str) -> Checkpoint:
    """The checkpoint of a text; ValueError for any other text."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("no checkpoint of a chain of records")
    chain, count, digest, time = found.groups()
    return Checkpoint(chain, Head(int(count), base64.b64decode(digest)), from_iso8601(time))
