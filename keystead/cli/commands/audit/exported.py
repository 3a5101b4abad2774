"""The exported log: a JSON object a line, with every column as it was hashed, and the hash."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

import msgspec

from keystead.domain.audit import COLUMNS, Head, Kind, hashed, written
from keystead.domain.proofs.facts import Fact
from keystead.domain.proofs.heads import NOTING
from keystead.errors import OperatorError

if TYPE_CHECKING:
    from keystead.server.operator import Link, Verdict

Row = tuple[bytes, int, bytes, bytes]  # of a record: its chain, its sequence, what is hashed of it, its hash
_NUMBERS = frozenset(("format", "sequence", "time", "status", "revision"))
_TYPES = tuple(int if column in _NUMBERS else str for column in COLUMNS)


def line(columns: Sequence[object], stored: object) -> str:
    """One record, with its newline; ASCII alone, so that nothing on its way can alter it unseen."""
    content: dict[str, object] = dict(zip(COLUMNS, written(tuple(columns)), strict=False))
    content["hash"] = stored.hex() if isinstance(stored, bytes) else ""
    return json.dumps(content) + "\n"


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
        raise _no_record(number, log) from None


class _Line(msgspec.Struct, gc=False):
    """What a proof reads of a line beside what is hashed."""

    chain: str
    sequence: int
    time: int
    kind: str
    account: str
    action: str
    access_key_id: str
    resources: str
    parameters: str
    code: str
    hash: str
    revision: int = 0


class ExportedLog:
    """A file, as proofs read it: see keystead.store.proof.Log. OperatorError if it can't be read."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._amount: int | None = None  # of its records, once they were verified: it may grow meanwhile
        with self._told():
            self._file: IO[bytes] = Path(log).open("rb")
            if not self._file.seekable():  # it is to be read more than once
                with self._file as stream:
                    self._file = TemporaryFile()
                    copyfileobj(stream, self._file)

    def close(self) -> None:
        self._file.close()

    def verify(self, expect: Head | None = None) -> "tuple[Verdict, ...]":
        from keystead.server.operator import Verification

        verification, amount = Verification(expect=expect), 0
        with self._told():
            self._file.seek(0)
            for row in records(self._file, self._log):
                verification.follow(*row)
                amount += 1
        self._amount = amount
        return verification.verdicts

    def facts(self, actions: Collection[str]) -> Iterator[Fact]:
        return (_fact(*one) for one in self._lines() if one[1].action in actions and not one[1].code)

    def calls(self) -> Iterator[Fact]:
        return (_fact(*one) for one in self._lines() if one[1].kind == Kind.API_CALL and not one[1].code)

    def links(self) -> "Iterator[Link]":
        from keystead.server.operator import Link

        for _, one in self._lines():
            noting = one.parameters if one.action in NOTING and not one.code else ""
            yield Link(one.chain, one.sequence, bytes.fromhex(one.hash), noting)

    def _lines(self) -> Iterator[tuple[int, _Line]]:
        with self._told():
            self._file.seek(0)
            for number, content in enumerate(islice(self._file, self._amount), 1):
                try:
                    yield number, _LINES.decode(content)
                except msgspec.DecodeError:
                    raise _no_record(number, self._log) from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OperatorError(f"cannot read {self._log}: {error.strerror}", hint="check the path") from None


_LINES = msgspec.json.Decoder(_Line)


def _fact(place: int, one: _Line) -> Fact:
    return Fact(
        place=place,
        chain=one.chain,
        sequence=one.sequence,
        revision=one.revision,
        time=one.time,
        account=one.account,
        action=one.action,
        access_key_id=one.access_key_id,
        resources=one.resources,
        parameters=one.parameters,
    )


def _no_record(number: int, log: str) -> OperatorError:
    return OperatorError(
        f"line {number} of {log} is no record, or was cut off",
        hint="keystead audit export --format records makes such a file; nothing from this line on is proved",
    )
