"""`keystead access-key`: make, list, deactivate and delete the AccessKeys of accounts."""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from keystead import portable
from keystead.cli import output, target
from keystead.domain.accounts import claimed_id
from keystead.errors import OperatorError

_ROOM = 4096  # bytes; far more than an AccessKey's file has


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "access-key",
        help="make, list and revoke AccessKeys",
        description="Make, list and revoke AccessKeys: through the server that runs on the data directory, or without one.",
        examples=("keystead access-key create -o app.json", "keystead access-key list"),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb, action, status, text in (
        ("create", "CreateAccessKey", "", "make one of an account itself; its secret is shown this once"),
        ("list", "ListAccessKeys", "", "list an account's and its users', without their secrets"),
        ("activate", "UpdateAccessKey", "Active", "let one sign again"),
        ("deactivate", "UpdateAccessKey", "Inactive", "refuse what is signed with one, from now on"),
        ("delete", "DeleteAccessKey", "", "delete one for good"),
    ):
        words = {"create": " -o app.json --description app", "list": ""}.get(verb, " LTAIEXAMPLE")
        description = f"{text[0].upper()}{text[1:]}."
        examples = (f"keystead access-key {verb}{words}",)
        command = verbs.add_parser(verb, help=text, description=description, examples=examples)
        if verb not in ("create", "list"):
            command.add_argument(
                "access_key_id", metavar="ID", help="the AccessKey's id, as the list shows it"
            )
        command.add_argument("--data", metavar="DIR", help=target.DATA)
        if verb in ("create", "list"):
            command.add_argument(
                "--account",
                metavar="ID",
                type=target.account_id,
                help="of this account (default: the server's first)",
            )
        if verb == "create":
            command.add_argument("--description", metavar="TEXT", help="what it is for, as the list shows it")
            add_out(command)
        command.set_defaults(func=main, action=action, status=status)


def main(args: argparse.Namespace) -> int:
    """Make, list or change AccessKeys."""
    from keystead.server.operator import is_root_access_key

    status = operate(
        args,
        {
            "AccessKeyId": getattr(args, "access_key_id", None),
            "AccountId": getattr(args, "account", None),
            "Description": getattr(args, "description", None),
            "Status": args.status or None,
        },
        _hint,
        _unsure(args),
    )
    revoked = status == output.DONE and args.status != "Active" and "access_key_id" in args
    if revoked and is_root_access_key(target.directory(args.data), args.access_key_id):
        output.warning(
            "that was the root AccessKey; commands now need another one in ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET"
        )
    return status


def add_out(command: argparse.ArgumentParser) -> None:
    """Add the option for where a new AccessKey goes."""
    command.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="write the AccessKey to a new file that only you can read, not to standard output (-)",
    )


def operate(
    args: argparse.Namespace,
    parameters: Mapping[str, str | None],
    hint: Callable[[argparse.Namespace, str], str],
    unsure: str,
) -> int:
    """Run an operation of the operator's and print its answer: in the server that runs on the directory, or on the directory
    itself. An AccessKey in the answer goes to the file of --out, if that is given. `hint` is what to do about a code,
    `unsure` where there is no answer."""
    from keystead.server.operator import run_operation

    given = {name: value for name, value in parameters.items() if value is not None}
    if not all(map(output.is_text, given.values())):
        raise output.WrongCommandLine(
            "a word of the command line is not UTF-8 text", hint="check its spelling"
        )
    data = target.directory(args.data)
    out = getattr(args, "out", None)
    out = None if out == "-" else out
    with _new_file(out) if out else nullcontext() as file:
        answer = run_operation(data, args.action, given, args.command_name, unsure)
        status, members = answer.status, answer.members
        if file is not None and out and status == 200:
            made = members["AccessKey"]
            _keep(made, file, out)
            made["AccessKeySecret"] = f"(in {out})"
    if status != 200:
        return output.refusal(members, hint(args, members["Code"]))
    output.answer(members)
    if "AccessKey" in members and not out:
        output.warning("the secret is shown this once; keep it where only its user can read it")
    return output.DONE


def _hint(args: argparse.Namespace, code: str) -> str:
    if "access_key_id" not in args:
        if code == "EntityNotExist.Account":
            return "keystead account list shows all"
        return "a description has at most 256 characters" if code == "InvalidParameter" else "try again"
    if claimed_id(args.access_key_id) == "malformed":
        # It is neither shown nor recorded; but a shell keeps what was typed.
        return "keystead access-key list shows all; if that was a secret, your shell's history has it now"
    return "keystead access-key list shows all"


def _unsure(args: argparse.Namespace) -> str:
    if args.action == "ListAccessKeys":
        return "try again later"
    lost = "; nobody has the secret of one that was made" if args.action == "CreateAccessKey" else ""
    return target.unsure("access-key list", args.data, lost)


@contextmanager
def _new_file(out: str) -> Iterator[int]:
    """A new file that only its user can read, open for writing; gone again if nothing was kept in it.

    It is there, with its room on the disk, before the AccessKey is made: a secret that can't be written down would be lost.
    """
    path = Path(out)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise OperatorError(f"{out} exists already", hint="name a new file, or remove it first") from None
    except OSError as error:
        raise OperatorError(f"cannot write {out}: {error.strerror}", hint="name another file") from None
    try:
        try:
            _write(descriptor, b" " * _ROOM)
        except OSError as error:
            raise OperatorError(
                f"cannot write {out}: {error.strerror}", hint="name a file elsewhere; no AccessKey was made"
            ) from None
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        if os.lseek(descriptor, 0, os.SEEK_CUR) in (0, _ROOM):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _keep(made: dict[str, str], descriptor: int, out: str) -> None:
    kept = {name: made[name] for name in ("AccessKeyId", "AccessKeySecret")}
    content = json.dumps(kept, indent=2).encode() + b"\n"
    try:
        _write(descriptor, content)
        os.ftruncate(descriptor, len(content))
    except OSError as error:
        used = made["AccessKeyId"]
        raise OperatorError(
            f"the secret of the new AccessKey {used} cannot be written to {out}: {error.strerror}",
            hint=f"nobody has it; remove the AccessKey with keystead access-key delete {used}",
        ) from None


def _write(descriptor: int, content: bytes) -> None:
    portable.write(descriptor, content)
    portable.sync(descriptor)
