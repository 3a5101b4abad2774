"""`keystead restore`: a data directory from a backup, and what its operator has to know before anybody uses it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keystead.cli import output
from keystead.cli.commands.backup import KEYS
from keystead.clock import iso8601

if TYPE_CHECKING:
    from keystead.server.backup.restoring import Restored
    from keystead.server.backup.revived import Change, Since

_SHOWN = 50  # lines of each list


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "restore",
        help="make a data directory from a backup",
        description="Make a data directory from a backup, in an empty place. Everything in the backup is opened once. "
        "The audit log begins a new chain, which names the end of the old one; nobody is signed in at the console; and "
        "no request that was accepted before is accepted again. What was withdrawn after the backup was made is there "
        "again: with --old or --since-log it is listed, from what was recorded since. Also restores a folder that an "
        "earlier version made.",
        examples=(
            "keystead restore keystead.backup --data new --root-key root.key",
            "keystead restore keystead.backup --data new --old old",
        ),
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the backup")
    parser.add_argument(
        "--data",
        metavar="DIR",
        required=True,
        help="the data directory to make; the root key may lie in it already",
    )
    parser.add_argument(
        "--root-key",
        metavar="FILE",
        default="",
        help="the root key: its file, which is copied into the new directory, or what the setting root-key may say "
        "(default: root.key in the new directory, else that of --old, else where the backup says that it came from)",
    )
    parser.add_argument("--keys", metavar="FILE", type=Path, help=KEYS)
    since = parser.add_mutually_exclusive_group()
    since.add_argument(
        "--old", metavar="DIR", type=Path, help="the data directory that was in use; it is only read"
    )
    since.add_argument(
        "--since-log",
        metavar="FILE",
        type=Path,
        help="an audit log that keystead audit export has printed since",
    )
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Restore, and print what came back to life."""
    from keystead.server.recovery import restore

    restored, since = restore(
        args.file,
        args.data,
        root_key=args.root_key,
        keys=args.keys,
        old=args.old,
        log=args.since_log,
        tell=output.progress,
    )
    _show(restored)
    if since is None:
        _show_unknown(restored, "--old or --since-log would list it")
    elif not since.records:
        output.fact("recorded since", "nothing")
        _show_unknown(
            restored, "the log that was given ends with the backup, and one that goes on would list it"
        )
    else:
        _show_since(since)
    output.note(f"keystead serve --data {args.data} starts it; look at the lists above before")
    return output.DONE


def _show(restored: "Restored") -> None:
    output.fact("made", restored.made or "at an unknown time: the folder does not say")
    output.amounts(restored.amounts, "keys", "key_versions", "access_keys", "users")
    output.fact("old chain", f"{restored.old_chain}, up to {restored.old_head}")
    output.fact("new chain", restored.new_chain)
    for text in restored.altered:
        output.warning(f"altered before the backup was made, and not used: {text}")
    if restored.altered:
        output.note("keystead store accept seals everything as it is, if that is what you want")


def _show_unknown(restored: "Restored", remedy: str) -> None:
    """What to look at where nobody knows what happened since."""
    output.warning(
        "what was withdrawn after the backup was made is there again, and nobody knows what that is: AccessKeys that were "
        f"revoked since sign again, deleted users are back; {remedy}"
    )
    _list(
        "keys to be deleted; those that are due are deleted when the server starts",
        [f"{one.key_id}  at {iso8601(one.deletion_at or 0)}  {one.description}" for one in restored.leaving],
    )
    _list("keys that are disabled", [f"{one.key_id}  {one.description}" for one in restored.disabled])


def _show_since(since: "Since") -> None:
    output.fact(
        "recorded since",
        f"{output.amount(since.records, 'record')}, the last at {iso8601(since.until // 1000)}",
    )
    _list("back to life: withdrawn after the backup, and there again", _lines(since.revived))
    _list("lost: made after the backup", _lines(since.lost))
    _list("as before: changed after the backup", _lines(since.undone))


def _lines(changes: "Sequence[Change]") -> list[str]:
    return [
        f"{iso8601(one.time // 1000)}  {one.action}  {one.subject}  by {one.principal}" for one in changes
    ]


def _list(title: str, lines: Sequence[str]) -> None:
    output.line(f"{title}: {len(lines)}")
    for one in lines[:_SHOWN]:
        output.line(f"  {one}")
    if len(lines) > _SHOWN:
        output.line(f"  and {len(lines) - _SHOWN} more")
