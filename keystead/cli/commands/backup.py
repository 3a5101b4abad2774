"""`keystead backup`: a whole and encrypted copy of a data directory, without its root key; and the proof of one."""

import argparse
from pathlib import Path

from keystead.cli import output, target


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "backup",
        help="back up a data directory, or verify a backup",
        description="Make one file with a copy of the database as of one moment, whether the server runs or not: all keys, "
        "users and records, and the certificate authority. It is encrypted under the root key, and has no root key and no "
        "AccessKey in it: keep these apart, since without the root key no backup opens. With the word verify before the "
        "file, a backup is restored aside, and everything in it is opened once.",
        examples=(
            "keystead backup /var/backups/keystead --keep 7",
            "keystead backup keystead.backup",
            "keystead backup verify keystead.backup",
        ),
    )
    parser.add_argument(
        "verb",
        nargs="?",
        choices=("verify",),
        metavar="verify",
        help="prove the backup FILE; nothing is changed",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        type=_place,
        help="the backup; in a folder, or with / at its end, it gets a name by the time",
    )
    parser.add_argument("--data", metavar="DIR", help=target.DATA)
    parser.add_argument(
        "--keep",
        metavar="N",
        type=_amount,
        help="FILE is a folder; once this one is verified, remove all backups of this server in it but the newest N "
        "(default: none)",
    )
    parser.add_argument("--verify", action="store_true", help="verify the backup before it has its name")
    parser.add_argument(
        "--root-key",
        metavar="FILE",
        default="",
        help="the root key: its file, or what the setting root-key may say (default: that of the data directory)",
    )
    parser.add_argument("--keys", metavar="FILE", type=Path, help=KEYS)
    parser.add_argument(
        "--aside",
        metavar="FOLDER",
        type=Path,
        help="where the database lies meanwhile, readable by nobody else (default: the data directory, and where temporary "
        "files are for what is verified)",
    )
    parser.set_defaults(func=main)


_MAKE, _LOOK = "keystead backup FILE makes one", "the files in a folder are the backups; ls shows them"
_ELSEWHERE = {
    "create": _MAKE,
    "make": _MAKE,
    "new": _MAKE,
    "list": _LOOK,
    "ls": _LOOK,
    "show": _LOOK,
    "restore": "keystead restore FILE --data DIR",
    "prune": "keystead backup FOLDER --keep N",
}  # verbs of other programs, which would be names of files here
KEYS = "the file that has the wrapping keys of backups, in place of these: when one is in no such file, no backup opens it"


def main(args: argparse.Namespace) -> int:
    """Make one and print its path, or prove one."""
    if args.verb is not None:
        return _verify(args)
    if args.file == "verify":
        raise output.WrongCommandLine(
            "verify needs a backup", hint="keystead backup verify FILE; a file of that name is ./verify"
        )
    if args.file in _ELSEWHERE:
        raise output.WrongCommandLine(
            f"backup has no verb {args.file}",
            hint=f"{_ELSEWHERE[args.file]}; a file of that name is ./{args.file}",
        )
    return _make(args)


def _make(args: argparse.Namespace) -> int:
    from keystead.server.recovery import back_up

    made = back_up(
        target.directory(args.data),
        Path(args.file),
        folder=args.file.endswith("/"),
        keep=args.keep,
        keys=args.keys,
        place=args.aside,
        root_key=args.root_key,
        verify=args.verify,
        tell=output.progress,
    )
    output.line(str(made.path))
    for old in made.removed:
        output.note(f"removed {old}")
    if made.others:
        output.note(f"backups of other servers, which are not counted and stay: {made.others}")
    for path, why in made.strange:
        output.warning(f"{path} is not counted, and stays: {why}")
    status = output.DONE
    for verdict in made.verdicts:
        output.note(f"audit {verdict.head}  chain {verdict.chain}")
        if verdict.bad:
            status = output.error(
                f"the backup is made, but its audit log is damaged: {verdict.bad}",
                hint="compare with an older backup; keystead backup verify proves each one",
            )
    if made.proved:
        output.note("verified: everything in it opens")
    return status


def _verify(args: argparse.Namespace) -> int:
    from keystead.server.recovery import verify_backup

    if args.keep is not None or args.verify:
        raise output.WrongCommandLine(
            "verify makes and removes nothing", hint="leave --keep and --verify out"
        )
    proved = verify_backup(
        target.directory(args.data),
        Path(args.file),
        root_key=args.root_key,
        keys=args.keys,
        place=args.aside,
        tell=output.progress,
    )
    manifest = proved.manifest
    output.fact("backup", f"{proved.path} is whole, and everything in it opens")
    output.fact("made", f"{manifest.made}, by keystead {manifest.program}")
    output.fact("server", manifest.server)
    output.fact("root key", manifest.root)
    generations = ", ".join(str(one.generation) for one in manifest.canaries)
    output.fact("wrapping keys", generations + (f", in {args.keys}" if manifest.apart else ""))
    output.amounts(manifest.amounts, "keys", "key_versions", "access_keys", "users", "audit")
    for verdict in proved.verdicts:
        output.note(f"audit {verdict.head}  chain {verdict.chain}")
    return output.DONE


def _place(text: str) -> str:
    if not text:  # a variable that is not set
        raise argparse.ArgumentTypeError("the backup has no name")
    if text == "-":  # what stands for a file elsewhere
        raise argparse.ArgumentTypeError(
            "a backup is made as a whole or not at all, and goes to no standard output"
        )
    return text


def _amount(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999999")
    return int(text)
