"""`keystead audit verify`, `checkpoint` and `key`: that the log is what it was."""

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keystead.cli import output, target
from keystead.clock import iso8601
from keystead.domain.audit import Head
from keystead.errors import OperatorError

if TYPE_CHECKING:
    from keystead.domain.checkpoints import Checkpoint
    from keystead.server.operator import Proof, Verdict


def add_parsers(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verbs."""
    verify = verbs.add_parser(
        "verify",
        help="prove that no record was changed, moved or removed",
        description="Prove that no record was changed, moved or removed from the middle, and print COUNT:HASH. That the end "
        "was not cut off, and that the whole was not written anew, is proved against a signed checkpoint, or a COUNT:HASH "
        "that you noted. It is also proved that no key was used while it was disabled or to be deleted, and no AccessKey "
        "after it was deactivated or deleted; and, of servers that share a database, that no chain is missing, or cut off "
        "before what another one notes of it.",
        examples=(
            "keystead audit verify",
            "keystead audit verify --checkpoint FILE --key audit.pub",
            "keystead audit verify --log FILE --checkpoint FILE --key audit.pub",
            'keystead audit verify --expect "$(cat head.txt)"',
        ),
    )
    verify.add_argument(
        "--expect", metavar="COUNT:HASH", help="a line that was printed before, or its COUNT:HASH"
    )
    add_checkpoint(verify)
    verify.add_argument(
        "--log",
        metavar="FILE",
        help="what keystead audit export --format records printed, in place of a directory",
    )
    verify.set_defaults(func=verify_records)
    checkpoint = verbs.add_parser(
        "checkpoint",
        help="print a signed checkpoint of the records",
        description="Print a checkpoint: how many records there are and the hash of the last one, signed by the server. "
        "Keep it where nobody who can alter the log can alter it.",
        examples=("keystead audit checkpoint > checkpoint",),
    )
    checkpoint.set_defaults(func=print_checkpoint)
    key = verbs.add_parser(
        "key",
        help="print the public key of checkpoints",
        description="Print the public key that verifies checkpoints. Note it once, elsewhere.",
        examples=("keystead audit key > audit.pub",),
    )
    key.set_defaults(func=print_key)
    for one in (verify, checkpoint, key):
        one.add_argument("--data", metavar="DIR", help=target.DATA)


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add what names a checkpoint."""
    parser.add_argument("--checkpoint", metavar="FILE", help="a signed checkpoint, which was kept elsewhere")
    parser.add_argument(
        "--key",
        metavar="KEY",
        dest="public_key",
        help="the public key of checkpoints, or a file with it, which was kept elsewhere",
    )


def checkpoint_of(args: argparse.Namespace) -> "Checkpoint | None":
    """The checkpoint that is named, if one is; OperatorError if it is not to be believed."""
    _refuse_empty(("--checkpoint", args.checkpoint), ("--key", args.public_key))
    if bool(args.checkpoint) != bool(args.public_key):
        missing = "--key" if args.checkpoint else "--checkpoint"
        raise output.WrongCommandLine(f"{missing} is missing", hint="--checkpoint and --key belong together")
    return _checkpoint(args.checkpoint, args.public_key) if args.checkpoint else None


def _refuse_empty(*options: tuple[str, str | None]) -> None:
    """WrongCommandLine for an option whose value is empty: what it should prove would be left out unseen."""
    for name, value in options:
        if value == "":
            raise output.WrongCommandLine(
                f"{name} is empty", hint="its file or variable is probably empty, or not there"
            )


def print_checkpoint(args: argparse.Namespace) -> int:
    """Print a checkpoint of now."""
    status, members = _asked(args, "SignCheckpoint")
    if status != 200:
        return output.refusal(members, "try again")
    output.text(members["Checkpoint"])
    output.flush()
    return output.DONE


def print_key(args: argparse.Namespace) -> int:
    """Print the public key."""
    status, members = _asked(args, "GetCheckpointKey")
    if status != 200:
        return output.refusal(members, "try again")
    output.line(members["PublicKey"])
    output.flush()
    return output.DONE


def _asked(args: argparse.Namespace, action: str) -> tuple[int, dict[str, Any]]:
    from keystead.server.operator import run_operation

    answer = run_operation(target.directory(args.data), action, {}, args.command_name)
    return answer.status, answer.members


def verify_records(args: argparse.Namespace) -> int:
    """Print each chain's COUNT:HASH, the first bad record of each, and what the log proves or does not."""
    _refuse_empty(("--expect", args.expect), ("--log", args.log))
    if args.expect and (args.checkpoint or args.public_key):
        raise output.WrongCommandLine(
            "--expect and --checkpoint exclude each other", hint="leave one of them out"
        )
    checkpoint = checkpoint_of(args)
    if args.log and args.data is not None:
        raise output.WrongCommandLine("--log and --data exclude each other", hint="leave one of them out")
    expect, chain = _noted(args.expect) if args.expect else (None, "")
    if checkpoint:
        expect = checkpoint.head
    found = _proof(args, expect, checkpoint)
    verdicts = found.verdicts
    for verdict in verdicts:
        output.line(f"{verdict.head}  chain {verdict.chain}")
    if not verdicts:
        output.line(f"{Head()}  no records")
    output.flush()
    status = output.DONE
    for bad in (verdict.bad for verdict in verdicts if verdict.bad):
        status = output.error(bad, hint="what follows it is not proved; compare with an export or a backup")
    for problem in found.problems:
        status = output.error(
            problem, hint="keep a copy of this log, and compare it with an export or a backup"
        )
    if found.amount > len(found.problems):
        output.note(f"and {output.amount(found.amount - len(found.problems), 'more problem')} like these")
    if status == output.DONE:
        for proved in _proved(found):
            output.note(proved)
    if checkpoint is not None:
        problem, hint, proved = against(checkpoint, verdicts)
        if proved and status == output.DONE:
            proved += _covered(found)
    else:
        problem, hint = _expected(expect, chain, verdicts)
        proved = ""
    if args.log and not verdicts and not problem:
        proved = ""
        problem = f"{args.log} has no records, which proves nothing"
        hint = "keystead audit export --format records makes such a file; was it cut off, or not written?"
    if proved:
        output.note(proved)
    return output.error(problem, hint) if problem else status


def _proved(found: "Proof") -> Iterator[str]:
    """What a log proves beside its chains, where it has anything to prove."""
    closed = [
        output.amount(number, what)
        for number, what in zip(found.closed, ("key", "AccessKey", "account"), strict=True)
        if number
    ]
    if closed:
        which = " and ".join([*filter(None, [", ".join(closed[:-1])]), closed[-1]])
        yield f"proved: {which} could not be used for a time, and no record shows a use in it"
    if found.noted:
        heads = output.amount(found.noted, "head")
        yield f"proved: each of the {heads} that one chain notes of another is on that chain"


def _covered(found: "Proof") -> str:
    """How much of other chains a checkpoint covers."""
    chains = [
        f"{output.amount(count, 'record')} of chain {chain}" for chain, count in sorted(found.covered.items())
    ]
    return f"; with them the first {', '.join(chains)}" if chains else ""


def _expected(expect: Head | None, chain: str, verdicts: "Sequence[Verdict]") -> tuple[str, str]:
    """What is wrong with the log by a head that was noted, of any chain or of this one, and what to do."""
    if expect is None or (expect == Head() and not chain):
        return "", ""
    meant = [verdict for verdict in verdicts if chain in ("", verdict.chain)]
    if any(verdict.noted for verdict in meant):
        return "", ""
    longest = max((verdict.head.count for verdict in meant), default=0)
    if any(verdict.bad for verdict in meant):
        why = "nothing is proved beyond the record above"
    elif chain and not meant:
        why = "the log has no such chain"
    elif longest < expect.count:
        why = f"the log ends at record {longest}, so its end was cut off"
    else:
        why = "the log was written anew"
    where = f"not on chain {chain}" if chain else "on no chain"
    return f"the head {expect} that was noted is {where}: {why}", "compare with a backup"


def judged(checkpoint: "Checkpoint | None", verdicts: "Sequence[Verdict]") -> tuple[str, str, str]:
    """What is wrong with the log, what to do, and what the checkpoint proves; each "" if there is nothing to say."""
    problem, hint, proved = against(checkpoint, verdicts) if checkpoint is not None else ("", "", "")
    bad = next((one.bad for one in verdicts if one.bad), "")
    return problem or bad, hint or "compare with an export or a backup", proved


def _proof(args: argparse.Namespace, expect: Head | None, checkpoint: "Checkpoint | None") -> "Proof":
    from keystead.server.operator import open_audit, prove

    signed = (checkpoint.chain, checkpoint.head.count) if checkpoint else ("", 0)
    if not args.log:
        with closing(open_audit(target.directory(args.data))) as reader:
            return prove(reader.log(), expect, signed)
    from keystead.cli.commands.audit.exported_log import exported_log

    with exported_log(args.log) as log:
        return prove(log, expect, signed)


def against(checkpoint: "Checkpoint", verdicts: "Sequence[Verdict]") -> tuple[str, str, str]:
    """What is wrong with the log by a checkpoint, what to do, and what it proves."""
    signed, count = iso8601(checkpoint.time), checkpoint.head.count
    found = next((one for one in verdicts if one.chain == checkpoint.chain), None)
    compare = "compare with an export or a backup"
    if found is None and count:
        others = ", ".join(one.chain for one in verdicts)
        has = f"chain {others} only" if others else "no records"
        return (
            f"the checkpoint is of chain {checkpoint.chain}, and the log has {has}",
            "it is of another server, or all records of this one are gone",
            "",
        )
    reached = 0 if found is None else found.head.count
    if found is not None and found.bad and reached < count:
        return f"the log is not what was signed on {signed}: {found.bad}", compare, ""
    if reached < count:
        return (
            f"the log ends at record {reached}, and record {count} was there when the checkpoint was signed on {signed}",
            "its end was cut off, or an older copy was put in its place; compare with a backup",
            "",
        )
    if found is not None and not found.noted:
        return (
            f"record {count} is not the one that was signed on {signed}: the log was written anew",
            compare,
            "",
        )
    after = reached - count
    later = f"; {output.amount(after, 'record')} after that, which it does not cover" if after else ""
    return "", "", f"proved: the first {output.amount(count, 'record')} as signed on {signed}{later}"


def _checkpoint(file: str, key: str) -> "Checkpoint":
    """The checkpoint in a file, if it is one, whole, and signed by the key."""
    from keystead.domain import checkpoints
    from keystead.server.operator import NoteRefused, opened, public_key

    try:
        text = key if "+" in key else _read(key).decode("utf-8", "replace")
        public = public_key(text.strip())
    except NoteRefused as refused:
        what = "--key" if "+" in key else key
        raise OperatorError(
            f"{what} {refused}", hint="keystead audit key prints the key of a server"
        ) from None
    try:
        return checkpoints.read(opened(_read(file), public))
    except NoteRefused as refused:
        raise OperatorError(
            f"the checkpoint {file} {refused}",
            hint="take another copy of it, or another checkpoint; and the key that was noted when it was signed",
        ) from None
    except ValueError:
        raise OperatorError(
            f"{file} is signed, and is no checkpoint of audit records", hint="name a checkpoint"
        ) from None


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error.strerror}", hint="check the path") from None


def _noted(text: str) -> tuple[Head, str]:
    """The head of a line that `verify` has printed, or by itself, and the chain that is named with it, or ""."""
    lines = text.splitlines()
    if len(lines) > 1:
        raise output.WrongCommandLine(
            f"--expect has {len(lines)} lines, and is one head", hint="prove the lines one after the other"
        )
    match = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})(?: +chain (\S+)| +no records)?", text)
    if match is None:
        raise output.WrongCommandLine(f"{text!r} is not COUNT:HASH", hint="keystead audit verify prints it")
    return Head(int(match[1]), bytes.fromhex(match[2])), match[3] or ""
