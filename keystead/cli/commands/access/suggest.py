"""`keystead access suggest`: the least policy for what a user did."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from keystead.cli import output, target
from keystead.domain.arns import parse
from keystead.domain.identities import ATTACHED
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.files.atomic_file import Whole


def suggest(args: argparse.Namespace) -> int:
    """Print the least policy, or write it into files."""
    import keystead.operations  # noqa: F401 - fills the catalogue
    from keystead.access.documents import MAXIMUM_CHARACTERS
    from keystead.access.least_policy import least_policies
    from keystead.api import replay
    from keystead.cli.commands.access import asked
    from keystead.server.operator import Wanted, snapshot

    counted: Counter[str] = Counter()
    uses: set[tuple[str, str]] = set()
    taken = replay.SUCCEEDED | (replay.REFUSED if args.refused else set())
    with snapshot(target.directory(args.data)) as reader:
        caller = asked.caller_of(args, reader)
        wanted = Wanted(since=args.since, caller=caller.principal, account=caller.account)
        for record in reader.each(wanted):
            if (record.principal, record.caller_type) != (caller.principal, caller.type):
                continue
            if record.code not in taken:
                counted["refused" if record.code in replay.REFUSED else "failed"] += 1
                continue
            try:
                call = replay.past(reader.holdings, record)
            except replay.Unknown:
                counted["unknown"] += 1
                continue
            if call is not None:
                counted["calls"] += 1
                uses.update((need.action, need.resource) for need in call.needs)
    documents = least_policies(uses)
    _tell(counted, {resource for _, resource in uses}, caller.account)
    if not documents:
        return output.error(
            f"there is no call of {args.user} that a policy has to allow",
            hint="--since T looks further back; keystead audit list --caller shows the calls",
        )
    if args.into is not None:
        return _write(args, caller.session or "root", documents)
    if len(documents) > 1:
        return output.error(
            f"that takes {len(documents)} policies, since one has at most {MAXIMUM_CHARACTERS:,} characters",
            hint="; ".join(filter(None, ("--into DIR writes each into a file", _limit(len(documents))))),
        )
    output.text(documents[0] + "\n")
    return output.DONE


def _tell(counted: "Counter[str]", resources: set[str], account: str) -> None:
    """Say what the policy is made from, and what it leaves out."""
    if counted["calls"]:
        output.note(output.amount(counted["calls"], "call"))
    for kind, words in (
        ("refused", "refused for want of permission; --refused allows them, too"),
        ("failed", "that failed for other reasons"),
        ("unknown", "whose records do not say what they needed"),
    ):
        if counted[kind]:
            output.note(f"left out: {output.amount(counted[kind], 'call')} {words}")
    foreign = sorted(one for one in resources if (place := parse(one)) and place.account != account)
    for one in foreign:
        output.note(f"{one} is of another account: its own policy has to allow its use, too")


def _write(args: argparse.Namespace, name: str, documents: Sequence[str]) -> int:
    """One file for each policy, none of which may be there yet."""
    folder = Path(args.into)
    several = len(documents) > 1
    paths = [
        folder / f"{name}{f'-{number}' if several else ''}.json" for number in range(1, len(documents) + 1)
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = next((path for path in paths if path.exists()), None)
    except OSError as problem:
        raise OperatorError(
            f"cannot write into {folder}: {problem.strerror}", hint="name another directory with --into"
        ) from None
    if taken is not None:
        raise OperatorError(
            f"{taken} is there already", hint="remove it, or name another directory with --into"
        )
    for path, document in zip(paths, documents, strict=True):
        with Whole(path, 0o644, SystemEntropy(), replace=False) as file:
            file.write(f"{document}\n".encode())
            file.finish()
        output.line(str(path))
    if len(documents) > ATTACHED:
        output.warning(_limit(len(documents)))
    return output.DONE


def _limit(policies: int) -> str:
    if policies <= ATTACHED:
        return ""
    return (
        f"a user has at most {ATTACHED} custom policies, as has a group: attach some to groups that the user is in, or "
        "write wildcards in place of resources"
    )
