"""How `keystead file` writes: a file whole or not at all, or standard output."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from keystead.cli import output
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.files.atomic_file import (
    Whole,
)  # here: while an editor runs, the program may be replaced by a newer one


def write(content: Iterator[bytes], out: str, mode: int, *, replace: bool) -> None:
    """Write all of it to a file, whole or not at all, or to standard output for `-`."""
    if out in ("-", "/dev/stdout"):
        _print(content)
        return
    with Whole(Path(out), mode, SystemEntropy(), replace=replace) as file:
        for piece in content:
            file.write(piece)
        file.finish()


def write_back(content: Iterator[bytes], path: str, source: BinaryIO) -> None:
    """Write a file anew in its place: a link's target, with the mode that it had and, for root, the owner."""
    before = os.fstat(source.fileno())
    owner = (before.st_uid, before.st_gid) if os.geteuid() == 0 else (-1, -1)
    with Whole(Path(path).resolve(), before.st_mode & 0o777, SystemEntropy(), replace=True) as file:
        for piece in content:
            file.write(piece)
        file.finish(owner)


def _print(content: Iterator[bytes]) -> None:
    terminal = sys.stdout.isatty()
    for piece in content:
        if terminal and not _is_printable(piece):
            raise OperatorError(
                "it is not text, and standard output is a terminal", hint="name a file with -o OUT"
            )
        output.raw(piece)
    output.flush()


def _is_printable(piece: bytes) -> bool:
    try:
        return all(letter.isprintable() or letter in "\n\r\t" for letter in piece.decode())
    except UnicodeDecodeError:
        return False
