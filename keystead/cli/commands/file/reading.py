"""How files are read for `keystead file` and `exec`: the options, the format, the open file."""

import argparse
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from keystead.cli import output, streams
from keystead.errors import OperatorError

if TYPE_CHECKING:
    from keystead.files.formats.spans import Format

SUFFIX = ".cipher"
FORMATS = ("env", "yaml", "json", "toml", "ini", "properties")  # what reads them is loaded when it is needed


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that tell how encrypted files are read."""
    parser.add_argument(
        "--context",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="the encryption context; may be given again",
    )
    add_format(parser)


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the option that tells a format."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="of a configuration file, where its name does not tell",
    )


def context_of(pairs: list[str]) -> dict[str, str]:
    """The encryption context of `NAME=VALUE` words; WrongCommandLine names what is wrong with them."""
    context: dict[str, str] = {}
    for number, pair in enumerate(pairs, 1):
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise output.WrongCommandLine(
                f"--context number {number} is not NAME=VALUE", hint="as in --context app=billing"
            )
        if name in context:
            raise output.WrongCommandLine(f"--context {name} is given twice", hint="give each name once")
        context[name] = value
    return context


def format_of(args: argparse.Namespace, name: str) -> "Format | None":
    """The format that --format, or else the file's name, tells."""
    from keystead.files.formats import known

    return known.FORMATS[args.format] if args.format else known.by_name(Path(name).name)


def opened(name: str) -> "AbstractContextManager[BinaryIO]":
    """The file, or standard input for `-`; OperatorError if it can't be read."""
    if name == "-":
        streams.check_input()
        return nullcontext(sys.stdin.buffer)
    if not name:  # for Path it would be the current directory
        raise OperatorError("the name of a file is empty", hint="is a variable of the shell not set?")
    try:
        return Path(name).open("rb")
    except IsADirectoryError:
        raise OperatorError(
            "cannot read it: it is a directory", hint=f"name the files in it: {name.rstrip('/')}/*"
        ) from None
    except OSError as error:
        raise OperatorError(
            f"cannot read it: {error.strerror}", hint="check the path and its permissions"
        ) from None


def is_nameless(name: str) -> bool:
    """Whether it is standard input, or another file that this process has open already, as a shell's `<(…)`."""
    from keystead.files.atomic_file import descriptor

    return name == "-" or descriptor(name) is not None


def content_of(source: BinaryIO) -> bytes:
    """A configuration file's content; OperatorError if it is too large for one."""
    from keystead.files.decryption import VALUES_BYTES

    try:
        content = source.read(VALUES_BYTES + 1)
    except OSError as error:
        raise OperatorError(f"cannot read it: {error.strerror}", hint="check the path and the disk") from None
    if len(content) > VALUES_BYTES:
        raise OperatorError(
            "it is too large for --values", hint="encrypt the file as a whole: leave --values out"
        )
    return content


def mode_of(source: BinaryIO) -> int:
    """The permission bits of a file; 0600 for what is none."""
    found = os.fstat(source.fileno())
    return stat.S_IMODE(found.st_mode) & 0o777 if stat.S_ISREG(found.st_mode) else 0o600


def walked(places: list[str]) -> Iterator[str]:
    """Each file named, and every file below each directory named, once; links in directories and `.git` are left out."""
    seen: set[str] = set()
    if "-" in places:
        raise output.WrongCommandLine(
            "standard input is no place for files", hint="name files or directories"
        )
    for place in places:
        if os.path.exists(place) and not (os.path.isdir(place) or os.path.isfile(place)):
            raise OperatorError(f"{place} is a device or a pipe", hint="name files or directories")
        for path in _below(place) if place and os.path.isdir(place) else (place,):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield path


def _below(place: str) -> Iterator[str]:
    def unreadable(error: OSError) -> NoReturn:
        raise OperatorError(
            f"cannot read {error.filename}: {error.strerror}", hint="check the permissions of the directory"
        )

    for folder, folders, names in os.walk(place, onerror=unreadable):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = Path(folder) / name
            if os.path.isfile(path) and not path.is_symlink():
                yield str(path)
