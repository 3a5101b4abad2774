"""The exported log: a JSON object a line, with every column as it was hashed, and the hash."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from keystead.domain.audit import COLUMNS, hashed, written
from keystead.errors import OperatorError

Row = tuple[bytes, int, bytes, bytes]  # of a record: its chain, its sequence, what is hashed of it, its hash
_NUMBERS = frozenset(("format", "sequence", "time", "status", "revision"))
_TYPES = tuple(int if column in _NUMBERS else str for column in COLUMNS)


def line(columns: Sequence[object], stored: object) -> str:
    """One record, with its newline; ASCII alone, so that nothing on its way can alter it unseen."""
    content: dict[str, object] = dict(zip(COLUMNS, written(tuple(columns)), strict=False))
    content["hash"] = stored.hex() if isinstance(stored, bytes) else ""
    return json.dumps(content) + "\n"


def rows(log: str) -> Iterator[Row]:
    """The records of a file. OperatorError if it can't be read, or a line is no record."""
    try:
        with Path(log).open("rb") as file:
            yield from records(file, log)
    except OSError as error:
        raise OperatorError(f"cannot read {log}: {error.strerror}", hint="check the path") from None


def records(lines: Iterable[bytes], log: str) -> Iterator[Row]:
    """The records of the lines of a log. OperatorError at the first one that is none."""
    number = 0
    try:
        for content in lines:
            number += 1
            record = msgspec.json.decode(content)
            if record["format"] == 1 and record.setdefault("revision", 0):  # it has none
                raise ValueError
            values = tuple([record[column] for column in COLUMNS])
            stored = record["hash"]
            if tuple(map(type, values)) != _TYPES or type(stored) is not str or not content.endswith(b"\n"):
                raise ValueError
            yield values[1].encode(), values[2], hashed(values), bytes.fromhex(stored)
    except (ValueError, KeyError, TypeError):
        raise OperatorError(
            f"line {number} of {log} is no record, or was cut off",
            hint="keystead audit export --format records makes such a file; nothing from this line on is proved",
        ) from None
