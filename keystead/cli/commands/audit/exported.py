"""The exported log: a JSON object a line, with every column as it was hashed, and the hash.

There is one way to write a record, so that no byte of a log can be altered unseen.
"""

import json
from binascii import unhexlify
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from keystead.domain.audit import COLUMNS, hashed, text, written
from keystead.errors import OperatorError

Row = tuple[bytes, int, bytes, bytes]  # of a record: its chain, its sequence, what is hashed of it, its hash
_NUMBERS = frozenset(("format", "sequence", "time", "status", "revision"))


def _decoder(*columns: str) -> msgspec.json.Decoder[Any]:
    """Reads an object with these members and no other."""
    members = [(column, int if column in _NUMBERS else str) for column in columns]
    return msgspec.json.Decoder(
        msgspec.defstruct("Columns", members, forbid_unknown_fields=True, gc=False, eq=False)
    )


# Of a line that is read quickly: what the records of one client have in common, and what they do not.
_COMMON = (*COLUMNS[:2], *COLUMNS[4:18])  # format and chain; kind to TLS
_OWN = (*COLUMNS[2:4], *COLUMNS[18:], "hash")  # sequence and time; resources to the end
_all, _common = (_decoder(*one).decode for one in ((*COLUMNS, "hash"), _COMMON))
_own_lines = _decoder(*_OWN).decode_lines
# Of the first format, which has no revision.
_FIRST = b'{"format":1,'
_all_first = _decoder(*COLUMNS[:-1], "hash").decode
_own_lines_first = _decoder(*_OWN[:-2], "hash").decode_lines
_DELETE = 0x7F
_AT_ONCE = 64  # lines that are read quickly together, or else each by itself
_encode, _encode_lines = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_lines
_values = msgspec.structs.astuple


def line(columns: Sequence[object], stored: object) -> str:
    """One record, with its newline; ASCII alone, so that nobody who looks at it is deceived by other letters."""
    content: dict[str, object] = dict(zip(COLUMNS, written(columns), strict=False))
    content["hash"] = stored.hex() if isinstance(stored, bytes) else ""
    return json.dumps(content, separators=(",", ":")) + "\n"


def records(lines: Iterable[bytes], log: str) -> Iterator[Row]:
    """The records of the lines of a log. OperatorError at the first one that is none."""
    number, source = 0, iter(lines)
    try:
        while contents := list(islice(source, _AT_ONCE)):
            if rows := _quickly(contents):
                number += len(rows)
                yield from rows
                continue
            for content in contents:
                number += 1
                (row,) = _quickly([content]) or [_exactly(content)]
                yield row
    except ValueError:  # msgspec's are such
        raise no_record(number, log) from None


def no_record(number: int, log: str) -> OperatorError:
    """That a line is none."""
    return OperatorError(
        f"line {number} of {log} is no record, or was cut off",
        hint="keystead audit export --format records makes such a file; nothing from this line on is proved",
    )


def _exactly(content: bytes) -> Row:
    """The record of a line. ValueError if it is not to the byte what `line` writes."""
    if content.startswith(_FIRST):
        *values, stored = _values(_all_first(content))
        values.append(0)
    else:
        *values, stored = _values(_all(content))
    found = unhexlify(stored)
    if line(values, found).encode() != content:
        raise ValueError
    return values[1].encode(), values[2], hashed(values), found


def _quickly(contents: Sequence[bytes]) -> list[Row]:
    """The same for most lines, by remembering what many have in common; nothing if one of them is another."""
    first = contents[0].startswith(_FIRST)
    common, rests = [], []
    try:
        for content in contents:
            second = content.index(b',"sequence":')
            fifth = content.index(b',"kind":', second)
            last = content.index(b',"resources":', fifth)
            common.append(_recurring(content[:second] + content[fifth:last] + b"}"))
            rests.append(b"{" + content[second + 1 : fifth] + content[last:])
        rest = b"".join(rests)
        own = (_own_lines_first if first else _own_lines)(rest)
        if not _is_written(rest, _encode_lines(own)):
            return []
        rows, end = [], ""
        for (chain, before, between), record in zip(common, own, strict=True):
            if first:
                sequence, time, resources, parameters, status, code, request_id, stored = _values(record)
            else:
                (
                    sequence, time, resources, parameters, status, code, request_id, revision, stored,
                ) = _values(record)  # fmt: skip
                end = f"{len(number := f'{revision}')}:{number}"
            found = unhexlify(stored)
            if found.hex() != stored:
                return []
            hashed_text = (
                f"{before}{len(number := f'{sequence}')}:{number}{len(time := f'{time}')}:{time}{between}"
                f"{len(resources)}:{resources}{len(parameters)}:{parameters}"
                f"{len(status := f'{status}')}:{status}{len(code)}:{code}{len(request_id)}:{request_id}{end}"
            )
            rows.append((chain, sequence, hashed_text.encode(), found))
    except ValueError:
        return []
    return rows


@lru_cache(1024)
def _recurring(content: bytes) -> tuple[bytes, str, str]:
    """The chain, and what is hashed of the columns before the sequence, and of those between time and resources."""
    record = _common(content)
    if not _is_written(content, _encode(record)):
        raise ValueError
    values = _values(record)
    return values[1].encode(), text(values[:2]), text(values[2:])


def _is_written(content: bytes, encoded: bytes) -> bool:
    """Whether `line` would write it so: as msgspec does, but for letters beyond ASCII, and the last one in it."""
    return content == encoded and content.isascii() and _DELETE not in content
