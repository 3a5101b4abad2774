"""`keystead file encrypt` and `decrypt`."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from keystead.cli import output, target
from keystead.cli.commands.file.reading import (
    FORMATS,
    SUFFIX,
    content_of,
    context_of,
    format_of,
    is_nameless,
    mode_of,
    opened,
)
from keystead.cli.commands.file.rules import Finder, matches
from keystead.cli.commands.file.several import Plan, called, each, plans
from keystead.cli.commands.file.writing import write
from keystead.errors import OperatorError, Unreachable

if TYPE_CHECKING:
    from keystead.client.kms import Kms
    from keystead.files.config_values import Value
    from keystead.files.formats.spans import Format, Leaf

_PROGRESS_BYTES = 32 << 20  # below it a bar would only flicker
_SHOWN_PATHS = 10


class _How(NamedTuple):
    """How one file is encrypted: by the command line, else by the rules that it is under."""

    key: str
    values: bool
    only: tuple[str, ...]


def encrypt(args: argparse.Namespace) -> int:
    """Encrypt each file."""
    from keystead.files import config_values, encrypted_file

    context = context_of(args.context)
    todo = plans(
        args.files,
        args.out,
        lambda name: name + SUFFIX,
        lambda name: "-" if len(args.files) == 1 and is_nameless(name) else name + SUFFIX,
    )
    how = _how(args, todo)
    if any(one.values for one in how.values()):
        config_values.check_context(context)
    if args.only and all(map(os.path.isfile, args.files)):  # a pipe can be read once only
        _check_only(args)
    with target.kms(args) as kms:

        def work(name: str, out: str | None) -> None:
            assert out is not None
            with opened(name) as source:
                if how[name].values:
                    content = _values(args, kms, how[name], context, name, source, out)
                    write(iter([content]), out, mode_of(source), replace=args.force)
                else:
                    sealed = encrypted_file.encrypt(kms, how[name].key, context, _Watched(source, name))
                    write(sealed, out, mode_of(source), replace=args.force)
                    if name.endswith(SUFFIX):  # its values are encrypted, perhaps
                        output.warning(f"{called(name)}: it is encrypted already, and now once more")

        return each(todo, work)


def _how(args: argparse.Namespace, todo: list[Plan]) -> dict[str, _How]:
    finder = Finder(needed=not args.key)
    how = {}
    for name, _ in todo:
        found = finder.of(name)
        key = args.key or found.key
        if not key:
            raise output.WrongCommandLine(
                f"there is no key for {called(name)}",
                hint="name one with --key, or in a file .keystead.toml above it",
            )
        values = args.values if args.values is not None else found.rule is not None and found.rule.values
        if args.only and not values:
            raise output.WrongCommandLine("--only belongs to --values", hint="give both, or neither")
        only = tuple(args.only) or (found.rule.only if found.rule else ())
        how[name] = _How(key=key, values=values, only=only)
        if found.source and (not args.key or (found.rule and args.values is None)):
            those = f" that match {' or '.join(only)}" if only else ""
            what = f"its values{those}" if values else "as a whole"
            output.note(f"{called(name)}: {what} under {key}, by {found}")
    return how


def _check_only(args: argparse.Namespace) -> None:
    """OperatorError, before anything is written, if the patterns match no path in any file; a warning if one does not."""
    from keystead.files import config_values

    found: list[Leaf] = []
    for name in args.files:
        form = format_of(args, name)
        try:
            with opened(name) as source:
                text = config_values.text_of(content_of(source), form) if form else ""
            found += config_values.values(text, form) if form else ()
        except OperatorError:
            continue  # it is told when its turn comes
    unmatched = [pattern for pattern in args.only if not any(_is_wanted(leaf, (pattern,)) for leaf in found)]
    if found and unmatched == args.only:
        raise OperatorError(
            f"--only {' --only '.join(unmatched)} matches no path", hint=_hint(found, unmatched)
        )
    for pattern in unmatched if found else []:
        output.warning(f"--only {pattern} matches no path")


def _hint(leaves: "list[Leaf]", patterns: "tuple[str, ...] | list[str]") -> str:
    wider = [f"*{pattern}*" for pattern in patterns]
    near = next((one for one in wider if any(_is_wanted(leaf, (one,)) for leaf in leaves)), "")
    # The further paths are made of values, some of them of a secret.
    paths = list(dict.fromkeys(leaf.pointers[0] for leaf in leaves))
    shown = [path if len(path) <= 60 else f"{path[:59]}…" for path in paths[:_SHOWN_PATHS]]
    more = f" and {len(paths) - _SHOWN_PATHS} more" if len(paths) > _SHOWN_PATHS else ""
    meant = f"a pattern is for a whole path, as in --only '{near}'; " if near else ""
    return f"{meant}there are {', '.join(shown)}{more}"


def _values(
    args: argparse.Namespace,
    kms: "Kms",
    how: _How,
    context: dict[str, str],
    name: str,
    source: BinaryIO,
    out: str,
) -> bytes:
    from keystead.files import config_values

    form = format_of(args, name)
    if form is None:
        raise OperatorError(
            "its name does not tell its format",
            hint=f"name one with --format: {', '.join(FORMATS)}; or encrypt the file as a whole: leave --values out",
        )
    content = content_of(source)
    text = config_values.text_of(content, form)
    found = config_values.values(text, form)
    if not any(_is_wanted(leaf, how.only) for leaf in found):
        hint = _hint(found, how.only) if found else "it has no value at all; check --format"
        if len(args.files) == 1:
            raise OperatorError("there is no value to encrypt in it", hint=hint)
        output.warning(f"{called(name)}: there is no value to encrypt in it, so it stays as it is; {hint}")
        return content
    before = _before(args, kms, context, form, out)
    changed, done = config_values.encrypt(
        kms, how.key, context, text, form, lambda leaf: _is_wanted(leaf, how.only), before
    )
    if how.only:  # what no pattern was for is in the clear
        output.note(f"{called(name)}: {done} of {len(found)} values encrypted")
    return config_values.bytes_of(changed)


def _is_wanted(leaf: "Leaf", only: tuple[str, ...]) -> bool:
    return any(matches(path, only) for path in leaf.pointers)


def _before(
    args: argparse.Namespace, kms: "Kms", context: dict[str, str], form: "Format", out: str
) -> "dict[str, Value]":
    """The values of the file that is replaced: those that did not change keep their ciphertext."""
    from keystead.files import config_values

    if not args.force or out == "-" or not os.path.isfile(out):
        return {}
    try:
        text = config_values.text_of(Path(out).read_bytes(), form)
        return config_values.decrypt(kms, context, text, form)[1]
    except Unreachable:
        raise
    except (OperatorError, OSError):
        return {}  # it is to be replaced whatever it was


def decrypt(args: argparse.Namespace) -> int:
    """Decrypt each file."""
    from keystead.files import decryption

    context = context_of(args.context)
    todo = plans(
        args.files,
        args.out,
        lambda name: name.removesuffix(SUFFIX),
        lambda _: "-" if len(args.files) == 1 else None,
    )
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

        return each(todo, work)


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
