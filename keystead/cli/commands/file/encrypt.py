"""`keystead file encrypt` and `decrypt`."""

import argparse
import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from keystead.cli import output, target
from keystead.cli.commands.file.reading import SUFFIX, format_of, mode_of, opened
from keystead.cli.commands.file.several import each
from keystead.cli.commands.file.writing import write
from keystead.errors import OperatorError, Unreachable

if TYPE_CHECKING:
    from keystead.client.kms import Kms
    from keystead.files.config_formats import Format
    from keystead.files.config_values import Value

_PROGRESS_BYTES = 32 << 20  # below it a bar would only flicker


def encrypt(args: argparse.Namespace) -> int:
    """Encrypt each file."""
    from keystead.client.kms import context_of
    from keystead.files import encrypted_file

    if args.only and not args.values:
        raise output.WrongCommandLine("--only belongs to --values", hint="give both, or neither")
    context = context_of(args.context)
    plans = _plans(args, lambda name: name + SUFFIX, "-" if args.files == ["-"] else None)
    with target.kms(args) as kms:

        def work(name: str, out: str | None) -> None:
            where = out if out is not None else name + SUFFIX
            with opened(name) as source:
                if args.values:
                    content: Iterator[bytes] = iter([_values(args, kms, context, name, source, where)])
                else:
                    content = encrypted_file.encrypt(kms, args.key, context, _Watched(source, name))
                write(content, where, mode_of(source), replace=args.force)

        return each(plans, work)


def _values(
    args: argparse.Namespace, kms: "Kms", context: dict[str, str], name: str, source: BinaryIO, out: str
) -> bytes:
    from keystead.files import config_values
    from keystead.files.decryption import VALUES_BYTES

    form = format_of(args, name)
    if form is None:
        raise OperatorError(
            "its name does not tell its format", hint="name one with --format env, yaml, json or toml"
        )
    content = source.read(VALUES_BYTES + 1)
    if len(content) > VALUES_BYTES:
        raise OperatorError(
            "it is too large for --values", hint="encrypt the file as a whole: leave --values out"
        )
    text = config_values.text_of(content)

    def wanted(path: str) -> bool:
        return not args.only or any(fnmatchcase(path, pattern) for pattern in args.only)

    changed = config_values.encrypt(
        kms, args.key, context, text, form, wanted, _before(args, kms, context, form, out)
    )
    if not config_values.sealed_values(changed, form):
        raise OperatorError("there is no value to encrypt in it", hint="check --only and --format")
    return changed.encode()


def _before(
    args: argparse.Namespace, kms: "Kms", context: dict[str, str], form: "Format", out: str
) -> "dict[str, Value]":
    """The values of the file that is replaced: those that did not change keep their ciphertext."""
    from keystead.files import config_values

    if not args.force or out == "-" or not Path(out).is_file():
        return {}
    try:
        return config_values.decrypt(kms, context, config_values.text_of(Path(out).read_bytes()), form)[1]
    except Unreachable:
        raise
    except (OperatorError, OSError):
        return {}  # it is to be replaced whatever it was


def decrypt(args: argparse.Namespace) -> int:
    """Decrypt each file."""
    from keystead.client.kms import context_of
    from keystead.files import decryption

    context = context_of(args.context)
    plans = _plans(args, lambda name: name.removesuffix(SUFFIX), "-" if len(args.files) == 1 else None)
    with target.kms(args) as kms:

        def work(name: str, out: str | None) -> None:
            if out is None:
                raise output.WrongCommandLine(
                    "several files need a directory to go to", hint="name it with -o DIR"
                )
            with opened(name) as source:
                watched = _Watched(source, name)
                content = decryption.plaintext(kms, context, watched, format_of(args, name))
                # Never wider than the ciphertext was, and never for others.
                write(content, out, mode_of(source) & 0o700, replace=args.force)

        return each(plans, work)


def _plans(
    args: argparse.Namespace, named: Callable[[str], str], alone: str | None
) -> list[tuple[str, str | None]]:
    """Each file with where it goes to; None leaves that to the command."""
    names: list[str] = args.files
    if names.count("-") > 1:
        raise output.WrongCommandLine("standard input can be read once only", hint="give one - only")
    if args.out is None:
        return [(name, alone) for name in names]
    if not Path(args.out).is_dir():
        if len(names) > 1:
            raise output.WrongCommandLine(
                f"{args.out} is no directory, and there are several files", hint="name a directory with -o"
            )
        return [(names[0], args.out)]
    if "-" in names:
        raise output.WrongCommandLine("standard input has no name in a directory", hint="name a file with -o")
    outs = [str(Path(args.out) / named(Path(name).name)) for name in names]
    for number, out in enumerate(outs):
        if out in outs[:number]:
            raise output.WrongCommandLine(f"two files would become {out}", hint="give them one at a time")
    return list(zip(names, outs, strict=True))


class _Watched:
    """A file whose reading is shown on a terminal, if it is a large one."""

    def __init__(self, source: BinaryIO, name: str) -> None:
        self._source = source
        self._name = name
        self._total = os.fstat(source.fileno()).st_size
        self._done = 0

    def read(self, count: int, /) -> bytes:
        try:
            piece = self._source.read(count)
        except OSError as error:
            raise OperatorError(
                f"cannot read it: {error.strerror}", hint="check the path and the disk"
            ) from None
        self._done += len(piece)
        if self._total >= _PROGRESS_BYTES:
            output.progress(self._name, self._done, self._total)
        return piece
