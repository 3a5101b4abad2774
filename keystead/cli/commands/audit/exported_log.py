"""An exported log as proofs read it: more than once, and never more of it than the first time."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO

import msgspec

from keystead.cli.commands.audit.exported import no_record, records
from keystead.domain.audit import Head, Kind
from keystead.domain.proofs.facts import Fact
from keystead.domain.proofs.heads import NOTING
from keystead.errors import OperatorError
from keystead.server.operator import Link, Verdict, Verification


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
    """See keystead.store.proof.Log. `log` is what the file is called."""

    def __init__(self, file: IO[bytes], log: str) -> None:
        self._file = file
        self._log = log
        self._amount: int | None = None  # of its records, once they were verified: it may grow meanwhile

    def verify(self, expect: Head | None = None) -> tuple[Verdict, ...]:
        verification, amount = Verification(expect=expect), 0
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

    def links(self) -> Iterator[Link]:
        for _, one in self._lines():
            noting = one.parameters if one.action in NOTING and not one.code else ""
            yield Link(one.chain, one.sequence, bytes.fromhex(one.hash), noting)

    def _lines(self) -> Iterator[tuple[int, _Line]]:
        self._file.seek(0)
        for number, content in enumerate(islice(self._file, self._amount), 1):
            try:
                yield number, _LINES.decode(content)
            except msgspec.DecodeError:
                raise no_record(number, self._log) from None


@contextmanager
def exported_log(log: str) -> Iterator[ExportedLog]:
    """The log in a file, or in a pipe, which is copied to be read again. OperatorError if it can't be read."""
    try:
        with Path(log).open("rb") as file, TemporaryFile() as copied:
            if file.seekable():
                yield ExportedLog(file, log)
            else:
                copyfileobj(file, copied)
                yield ExportedLog(copied, log)
    except OSError as error:
        raise OperatorError(f"cannot read {log}: {error.strerror}", hint="check the path") from None


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
