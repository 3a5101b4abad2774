"""`keystead backup`: a whole copy of a data directory, without its root key."""

import argparse
from pathlib import Path

from keystead.cli import output, target


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "backup",
        help="copy a data directory, while its server runs",
        description="Make a folder, named by the time, with a copy of the database as of one moment and of the certificate "
        "authority, whether the server runs or not. The copy is proved as `keystead audit verify` does it. It has no root "
        "key and no AccessKey in it: keep these apart, since without the root key no backup opens.",
        examples=("keystead backup /var/backups/keystead", "keystead backup /var/backups/keystead --keep 7"),
    )
    parser.add_argument(
        "into", metavar="FOLDER", type=_folder, help="where backups are; made if it is missing"
    )
    parser.add_argument("--data", metavar="DIR", help=target.DATA)
    parser.add_argument(
        "--keep",
        metavar="N",
        type=_amount,
        help="afterwards remove all backups but the newest N (default: none)",
    )
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Make one, and print its path."""
    from keystead.clock import SystemClock
    from keystead.server.operator import back_up

    made = back_up(target.directory(args.data), args.into, args.keep, SystemClock())
    output.line(str(made.folder))
    for old in made.removed:
        output.note(f"removed {old}")
    status = output.DONE
    for verdict in made.verdicts:
        output.note(f"audit {verdict.head}  chain {verdict.chain}")
        if verdict.bad:
            status = output.error(
                f"the backup is made, but its audit log is damaged: {verdict.bad}",
                hint="compare with an older backup; keystead audit verify proves each one",
            )
    return status


def _folder(text: str) -> Path:
    if not text:  # a variable that is not set
        raise argparse.ArgumentTypeError("the folder has no name")
    return Path(text)


def _amount(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999999")
    return int(text)
