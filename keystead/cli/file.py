"""`keystead file`: encrypt, decrypt, inspect, edit and re-encrypt files."""

import argparse
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from keystead.cli import output, target
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError, Unreachable

if TYPE_CHECKING:
    from keystead.client.formats import Format
    from keystead.client.kms import Kms
    from keystead.client.values import Value

SUFFIX = ".cipher"
_PROGRESS_BYTES = 32 << 20  # below it a bar would only flicker


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "file",
        help="encrypt, decrypt, inspect, edit and re-encrypt files",
        description="Encrypt, decrypt, inspect, edit and re-encrypt files. A file - is standard input or output.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    encrypting = verbs.add_parser(
        "encrypt",
        help="encrypt files",
        description=f"Encrypt each IN to IN{SUFFIX}. Text of up to 6144 bytes becomes the ciphertext that Encrypt gives, "
        "all else an envelope of any size.",
    )
    encrypting.add_argument("--key", metavar="KEY", required=True, help="id, alias or ARN of the key")
    encrypting.add_argument(
        "--values",
        action="store_true",
        help="encrypt the values in a configuration file, each for itself; its keys stay readable",
    )
    encrypting.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        default=[],
        help="with --values: only values whose path matches, as in --only '*password*'; may be given again",
    )
    encrypting.set_defaults(func=encrypt)
    decrypting = verbs.add_parser(
        "decrypt",
        help="decrypt files",
        description="Decrypt IN to standard output, or to OUT. Several IN need a directory OUT.",
    )
    decrypting.set_defaults(func=decrypt)
    inspecting = verbs.add_parser(
        "inspect",
        help="tell what encrypted files are",
        description="Tell what encrypted files are, as JSON. That needs no key and no server, unless --check is given.",
    )
    inspecting.add_argument(
        "--check",
        action="store_true",
        help="ask the server too: which key it is, its state, whether it opens",
    )
    inspecting.set_defaults(func=inspect)
    for verb in (encrypting, decrypting, inspecting):
        verb.add_argument("files", metavar="IN", nargs="+", help="a file")
    for verb in (encrypting, decrypting):
        verb.add_argument(
            "-o", "--out", metavar="OUT", help="where to; a directory, where there are several IN"
        )
        verb.add_argument("--force", action="store_true", help="replace OUT if it exists")
    editing = verbs.add_parser(
        "edit",
        help="edit an encrypted file",
        description="Decrypt a file into memory, start $VISUAL or $EDITOR on it, and encrypt what was changed.",
    )
    editing.add_argument("file", metavar="FILE", help="the file")
    editing.add_argument("--key", metavar="KEY", help="the key of new content (default: that of the old)")
    editing.add_argument(
        "--on-disk", action="store_true", help="where there is no file system in memory: use a disk"
    )
    editing.set_defaults(func=edit)
    renewing = verbs.add_parser(
        "reencrypt",
        help="bring files from old key versions to the primary ones",
        description="Tell which files, also in directories, were encrypted under a key version that is not the primary one "
        "any more. With --apply, re-encrypt them in place. Other files are passed by.",
    )
    renewing.add_argument("places", metavar="PLACE", nargs="+", help="a file or a directory")
    renewing.add_argument("--apply", action="store_true", help="re-encrypt what was found")
    renewing.set_defaults(func=reencrypt)
    for verb in (encrypting, decrypting, inspecting, editing, renewing):
        add_reading(verb)
        target.add_options(verb)


def add_reading(parser: argparse.ArgumentParser) -> None:
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
    from keystead.client.formats import FORMATS, by_name

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


# --- encrypt and decrypt


def encrypt(args: argparse.Namespace) -> int:
    """Encrypt each file."""
    from keystead.client import files
    from keystead.client.kms import context_of

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
                    content = files.encrypt(kms, args.key, context, _Watched(source, name))
                write(content, where, mode_of(source), replace=args.force)

        return _each(plans, work)


def _values(
    args: argparse.Namespace, kms: "Kms", context: dict[str, str], name: str, source: BinaryIO, out: str
) -> bytes:
    from keystead.client import values
    from keystead.client.opening import VALUES_BYTES

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
    text = values.text_of(content)

    def wanted(path: str) -> bool:
        return not args.only or any(fnmatchcase(path, pattern) for pattern in args.only)

    changed = values.encrypt(
        kms, args.key, context, text, form, wanted, _before(args, kms, context, form, out)
    )
    if not values.sealed_values(changed, form):
        raise OperatorError("there is no value to encrypt in it", hint="check --only and --format")
    return changed.encode()


def _before(
    args: argparse.Namespace, kms: "Kms", context: dict[str, str], form: "Format", out: str
) -> "dict[str, Value]":
    """The values of the file that is replaced: those that did not change keep their ciphertext."""
    from keystead.client import values

    if not args.force or out == "-" or not Path(out).is_file():
        return {}
    try:
        return values.decrypt(kms, context, values.text_of(Path(out).read_bytes()), form)[1]
    except Unreachable:
        raise
    except (OperatorError, OSError):
        return {}  # it is to be replaced whatever it was


def decrypt(args: argparse.Namespace) -> int:
    """Decrypt each file."""
    from keystead.client import opening
    from keystead.client.kms import context_of

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
                content = opening.plaintext(kms, context, watched, format_of(args, name))
                # Never wider than the ciphertext was, and never for others.
                write(content, out, mode_of(source) & 0o700, replace=args.force)

        return _each(plans, work)


def write(content: Iterator[bytes], out: str, mode: int, *, replace: bool) -> None:
    """Write all of it to a file, whole or not at all, or to standard output for `-`."""
    from keystead.client.whole import Whole

    if out == "-":
        _print(content)
        return
    with Whole(Path(out), mode, SystemEntropy(), replace=replace) as file:
        for piece in content:
            file.write(piece)
        file.finish()


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


def mode_of(source: BinaryIO) -> int:
    """The permission bits of a file; 0600 for what is none."""
    found = os.fstat(source.fileno())
    return stat.S_IMODE(found.st_mode) & 0o777 if stat.S_ISREG(found.st_mode) else 0o600


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


def _each(plans: list[tuple[str, str | None]], work: Callable[[str, str | None], None]) -> int:
    """Do the work for each file; the status is that of the first that failed. Without a server, none is tried further."""
    first = output.DONE
    for name, out in plans:
        try:
            work(name, out)
        except (Unreachable, output.WrongCommandLine):
            raise
        except OperatorError as problem:
            problem.message = f"{'standard input' if name == '-' else name}: {problem.message}"
            first = first or output.trouble(problem)
    return first


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


# --- inspect and edit


def inspect(args: argparse.Namespace) -> int:
    """Print what each file is."""
    from keystead.client import inspection
    from keystead.client.kms import context_of

    context = context_of(args.context)
    with target.kms(args) if args.check else nullcontext() as kms:

        def work(name: str, _: str | None) -> None:
            with opened(name) as source:
                found = inspection.inspect(source, format_of(args, name))
            shown: dict[str, Any] = {"File": name, "Format": found.format, "KeyVersionIds": found.version_ids}
            if found.size is not None:
                shown["PlaintextBytes"] = found.size
            if found.context_names is not None:
                shown["ContextNames"] = found.context_names
            if "" not in found.sealed:
                shown["Values"] = list(found.sealed)
            problem = None
            if kms is not None:
                keys, problem = inspection.check(kms, context, found)
                shown["Keys"] = [{"KeyId": key["KeyId"], "KeyState": key["KeyState"]} for key in keys]
                shown["Opens"] = problem is None
            output.answer(shown)
            if problem is not None:
                raise problem

        return _each([(name, None) for name in args.files], work)


def edit(args: argparse.Namespace) -> int:
    """Edit one file."""
    from keystead.cli.file_edit import run

    return run(args)


def reencrypt(args: argparse.Namespace) -> int:
    """Bring files to the primary versions of their keys."""
    from keystead.cli.file_reencrypt import run

    return run(args)
