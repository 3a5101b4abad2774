"""`keystead rootkey`: show the root key that everything is under, rotate it, and have shares of it on paper."""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keystead.cli import output, target
from keystead.clock import iso8601
from keystead.errors import OperatorError

if TYPE_CHECKING:
    from keystead.cli.share_pages import Page
    from keystead.server.rootkey import Exported, Share

_MOST_BYTES = 1 << 20  # of a file of shares


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "rootkey",
        help="show and rotate the root key, and have shares of it on paper",
        description="The root key wraps all other keys of a data directory. It comes from where the setting root-key says: "
        "a file, a passphrase, a token, another KMS.",
        examples=(
            "keystead rootkey status",
            "keystead rootkey rotate --to passphrase",
            "keystead rootkey export --shares 3/5 --into papers",
        ),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    status = verbs.add_parser(
        "status",
        help="which root key the data needs, since when, and what it protects from",
        description="Show which root key the data directory needs, since when, and what it protects from, whether a server "
        "runs or not. keystead doctor tries whether it is there.",
        examples=("keystead rootkey status", "keystead rootkey status --json"),
    )
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(func=show)
    rotate_to = verbs.add_parser(
        "rotate",
        help="change to another root key, while no server runs",
        description="Wrap all that the root key wraps by another one, in one commit, while no server runs. Cut off, it can "
        "be run again. The root key before is not removed: backups that were made before need it.",
        examples=(
            "keystead rootkey rotate --to file",
            "keystead rootkey rotate --to file:/media/usb/root.key",
            "keystead rootkey rotate --to passphrase:credential:keystead",
        ),
    )
    rotate_to.add_argument(
        "--to",
        metavar="PROVIDER",
        required=True,
        help="as the setting root-key: file, file:PATH, passphrase, pkcs11:…",
    )
    rotate_to.set_defaults(func=rotate)
    export_to = verbs.add_parser(
        "export",
        help="have shares of the root key, to be printed",
        description="Split the root key into shares, any M of which make it again, and write a page for each, with words "
        "and a QR code, to be printed. That is recorded. Remove the files when they are printed.",
        examples=("keystead rootkey export --shares 3/5 --into papers",),
    )
    export_to.add_argument(
        "--shares", metavar="M/N", required=True, type=_amounts, help="of N shares, any M make the key"
    )
    into = export_to.add_mutually_exclusive_group(required=True)
    into.add_argument(
        "--into", metavar="FOLDER", help="a new folder for a text and an HTML page a share, mode 0600"
    )
    into.add_argument("--print", action="store_true", dest="printed", help="print the texts")
    export_to.set_defaults(func=export)
    import_from = verbs.add_parser(
        "import",
        help="make a root key file of shares",
        description="Make a root key file of shares: of files, of standard input, or typed on the terminal. Nothing is "
        "replaced. keystead rootkey rotate changes to another root key afterwards.",
        examples=(
            "keystead rootkey import",
            "keystead rootkey import papers/share-[124]-of-5-*.txt",
        ),
    )
    import_from.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="pages of shares, or words; - for standard input (default: asks)",
    )
    import_from.add_argument(
        "--to", metavar="PATH", default="", help="the file (default: root.key in the data directory)"
    )
    import_from.set_defaults(func=restore)
    for one in (status, rotate_to, export_to, import_from):
        one.add_argument("--data", metavar="DIR", help=target.DATA)
    for one in (rotate_to, export_to):
        one.add_argument(
            "--config",
            metavar="FILE",
            help="the file of the server's settings, for where its root key is now (default: that of KEYSTEAD_CONFIG)",
        )


def show(args: argparse.Namespace) -> int:
    """Print the provider, and what it is good for."""
    from keystead.server import rootkey

    found = rootkey.status(target.directory(args.data))
    if args.json:
        output.answer(
            {
                "Provider": found.provider,
                "Fingerprint": found.fingerprint,
                "Since": iso8601(found.since),
                "ProtectsFrom": found.protects,
                "NotFrom": found.exposed,
                "Retired": list(found.retired),
            }
        )
        return output.DONE
    output.fact("provider", found.provider)
    output.fact("fingerprint", found.fingerprint)
    output.fact("since", iso8601(found.since))
    output.fact("protects from", found.protects)
    output.fact("not from", found.exposed)
    for file in found.retired:
        output.fact("before it", f"{file}; backups of that time need it")
    return output.DONE


def rotate(args: argparse.Namespace) -> int:
    """Change to another one."""
    from keystead.given_settings import root_key_setting
    from keystead.server import rootkey

    setting = root_key_setting(args.config)
    done = rootkey.rotate(target.directory(args.data), setting, args.to, args.command_name)
    output.note(f"the root key is {done.provider} now, {done.fingerprint}; it was {done.before}")
    if done.kept:
        output.note(f"the one before is in {done.kept}; backups that were made until now need it")
    else:
        output.note("keep the one before as long as backups that were made until now: they need it")
    if done.to_be_set or setting not in ("", done.provider):
        output.note(f'the setting of the server must say so, too: root-key = "{done.provider}"')
    return output.DONE


def export(args: argparse.Namespace) -> int:
    """Write shares, or print them."""
    from keystead.given_settings import root_key_setting
    from keystead.server import rootkey

    needed, of = args.shares
    folder = None if args.printed else _new_folder(args.into)
    try:
        made = rootkey.export(
            target.directory(args.data), root_key_setting(args.config), needed, of, args.command_name
        )
        pages = _pages(made)
        if folder is None:
            output.text("\f".join(page.text for page in pages))
            return output.DONE
        _write(folder, pages)
    except BaseException:
        if folder is not None:
            for left in folder.iterdir():  # some of them would do for whoever finds them
                left.unlink()
            folder.rmdir()
        raise
    output.note(f"print the pages in {folder}, give each to another person, and remove the files")
    return output.DONE


def restore(args: argparse.Namespace) -> int:
    """Make the file, and say what to do with it."""
    from keystead.server import rootkey

    to = rootkey.file_named(args.to)
    given = _read(args.files) if args.files else _ask()
    path, fingerprint = rootkey.restore(target.directory(args.data), given, to)
    output.line(str(path))
    where = f"file:{path}" if to else "file"
    output.note(
        f'this is the root key {fingerprint}; a start with root-key = "{where}" opens what it protects'
    )
    return output.DONE


def _pages(made: "Exported") -> "list[Page]":
    from keystead.cli.share_pages import Page

    return [
        Page(
            words,
            number=number,
            of=len(made.words),
            needed=made.needed,
            server=made.server,
            fingerprint=made.fingerprint,
            made=made.made,
        )
        for number, words in enumerate(made.words, 1)
    ]


def _new_folder(name: str) -> Path:
    folder = Path(name)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise OperatorError(
            f"cannot make the folder {name}: {error.strerror}",
            hint="name a new folder, best on a disk in memory",
        ) from None
    return folder


def _write(folder: Path, pages: "list[Page]") -> None:
    try:
        for page in pages:
            for name, content in ((f"{page.name}.txt", page.text), (f"{page.name}.html", page.document)):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with open(os.open(folder / name, flags, 0o600), "w", encoding="utf-8") as file:
                    file.write(content)
    except OSError as error:
        raise OperatorError(
            f"cannot write the shares to {folder}: {error.strerror}", hint="check the free space there"
        ) from None


def _read(files: list[str]) -> "list[Share]":
    from keystead.cli.share_pages import words_in
    from keystead.server.rootkey import read_share

    found = []
    for name in files:
        try:
            if name == "-":
                content = sys.stdin.buffer.read(_MOST_BYTES)
            else:
                with open(name, "rb") as file:
                    content = file.read(_MOST_BYTES)
            text = content.decode()
        except OSError as error:
            raise OperatorError(
                f"cannot read {name}: {error.strerror}", hint="name the page of a share"
            ) from None
        except UnicodeDecodeError:
            raise OperatorError(
                f"{name} is no text", hint="name the text of a share, not a picture"
            ) from None
        shown = "standard input" if name == "-" else name
        several = list(words_in(text))
        if not several:
            raise OperatorError(f"{shown} is empty", hint="name the page of a share")
        for number, words in enumerate(several, 1):
            found.append(read_share(words, shown if len(several) == 1 else f"share {number} in {shown}"))
    return found


def _ask() -> "list[Share]":
    """Shares as they are typed, until there are enough; one that is wrong is asked for again."""
    from keystead.server.rootkey import read_share

    if not sys.stdin.isatty():
        raise OperatorError(
            "the words of the shares are asked for on a terminal, and there is none",
            hint="name files with them, or - for standard input",
        )
    found: list[Share] = []
    while not found or len(found) < found[0].needed:
        of = f" of {found[0].needed}" if found else ""
        sys.stderr.write(f"words of share {len(found) + 1}{of}: ")
        sys.stderr.flush()
        words = sys.stdin.readline()
        if not words:
            raise OperatorError("the input ended before there were enough shares", hint="nothing was changed")
        try:
            share = read_share(words, "this share")
            if found and not share.fits(found[0]):
                raise OperatorError("this share is of another export", hint="compare date and fingerprint")
            if any(share.number == one.number for one in found):
                raise OperatorError("this share was given already", hint="each counts once")
        except OperatorError as problem:
            output.error(problem.message, hint=problem.hint)
            continue
        share.name = f"share {len(found) + 1}"
        found.append(share)
    return found


def _amounts(text: str) -> tuple[int, int]:
    from keystead.server.rootkey import LEAST, MOST

    found = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", text, re.ASCII)
    needed, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not LEAST <= needed <= of <= MOST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not M/N, as 3/5: {LEAST} or more shares needed, of at most {MOST}"
        )
    return needed, of
