"""The command line of `keystead file`: its verbs and their options."""

import argparse

from keystead.cli import target
from keystead.cli.commands.file.check import check
from keystead.cli.commands.file.encrypt import decrypt, encrypt
from keystead.cli.commands.file.inspect import inspect
from keystead.cli.commands.file.reading import SUFFIX, add_format, add_options
from keystead.cli.commands.file.reencrypt import reencrypt
from keystead.cli.commands.file.rules import NAME


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "file",
        help="encrypt, decrypt, inspect, edit, re-encrypt and check files",
        description="Encrypt, decrypt, inspect, edit, re-encrypt and check files. A file - is standard input or output.",
        examples=(
            "keystead file encrypt --key alias/demo key.pem",
            f"keystead file decrypt key.pem{SUFFIX} -o key.pem",
        ),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    encrypting = verbs.add_parser(
        "encrypt",
        help="encrypt files",
        description=f"Encrypt each IN to IN{SUFFIX}. Text of up to 6144 bytes becomes the ciphertext that Encrypt gives, "
        "all else an envelope of any size.",
        examples=(
            "keystead file encrypt --key alias/demo key.pem",
            "keystead file encrypt --key alias/demo --values app.yaml",
            "pg_dump app | keystead file encrypt --key alias/demo - > app.cipher",
        ),
    )
    encrypting.add_argument(
        "--key", metavar="KEY", help=f"id, alias or ARN of the key (default: that of a {NAME} above the file)"
    )
    encrypting.add_argument(
        "--values",
        action=argparse.BooleanOptionalAction,
        help=f"encrypt a configuration file value by value; its keys stay readable (default: as {NAME} says)",
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
        examples=(
            f"keystead file decrypt key.pem{SUFFIX}",
            f"keystead file decrypt key.pem{SUFFIX} -o key.pem",
            f"keystead file decrypt certs/*{SUFFIX} -o /dev/shm/certs",
        ),
    )
    decrypting.set_defaults(func=decrypt)
    inspecting = verbs.add_parser(
        "inspect",
        help="tell what encrypted files are",
        description="Tell what encrypted files are, as JSON. That needs no key and no server, unless --check is given.",
        examples=(f"keystead file inspect key.pem{SUFFIX}", f"keystead file inspect --check key.pem{SUFFIX}"),
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
        examples=(f"keystead file edit app.yaml{SUFFIX}", f"EDITOR=nano keystead file edit app.yaml{SUFFIX}"),
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
        examples=("keystead file reencrypt secrets/", "keystead file reencrypt --apply secrets/"),
    )
    renewing.add_argument("places", metavar="PLACE", nargs="+", help="a file or a directory")
    renewing.add_argument("--apply", action="store_true", help="re-encrypt what was found")
    renewing.set_defaults(func=reencrypt)
    checking = verbs.add_parser(
        "check",
        help=f"find files in the clear that a {NAME} protects",
        description=f"Name each file under a rule of its {NAME} that is in the clear, also in directories, and fail if "
        "there is one. That needs no key and no server.",
        examples=("keystead file check .", "keystead file check --staged"),
    )
    checking.add_argument("places", metavar="PLACE", nargs="*", help="a file or a directory")
    checking.add_argument(
        "--staged",
        action="store_true",
        help="check what git would commit, instead of what is in the work tree",
    )
    add_format(checking)
    checking.set_defaults(func=check)
    for verb in (encrypting, decrypting, inspecting, editing, renewing):
        add_options(verb)
        target.add_options(verb)


def edit(args: argparse.Namespace) -> int:
    """Edit one file; what runs an editor is loaded for that alone."""
    from keystead.cli.commands.file.edit import edit

    return edit(args)
