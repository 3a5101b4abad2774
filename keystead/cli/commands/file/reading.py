"""How files are read for `keystead file` and `exec`: the options, the format, the open file."""

import argparse
import os
import stat
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from keystead.errors import OperatorError

if TYPE_CHECKING:
    from keystead.files.config_formats import Format

SUFFIX = ".cipher"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that tell how encrypted files are read."""
    parser.add_argument(
        "--context",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="the encryption context; may be given again",
    )
    parser.add_argument(
        "--format",
        choices=("env", "yaml", "json", "toml"),
        help="of a configuration file, where its name does not tell",
    )


def format_of(args: argparse.Namespace, name: str) -> "Format | None":
    """The format that --format, or else the file's name, tells."""
    from keystead.files.config_formats import FORMATS, by_name

    return FORMATS[args.format] if args.format else by_name(Path(name).name)


def opened(name: str) -> "AbstractContextManager[BinaryIO]":
    """The file, or standard input for `-`; OperatorError if it can't be read."""
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - the caller's with closes it
        if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
            raise IsADirectoryError(21, "Is a directory")
    except OSError as error:
        raise OperatorError(
            f"cannot read it: {error.strerror}", hint="check the path and its permissions"
        ) from None
    return file


def mode_of(source: BinaryIO) -> int:
    """The permission bits of a file; 0600 for what is none."""
    found = os.fstat(source.fileno())
    return stat.S_IMODE(found.st_mode) & 0o777 if stat.S_ISREG(found.st_mode) else 0o600
