"""`keystead access diff`: what recorded calls would meet with another policy."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from keystead.cli import moments, output, target
from keystead.clock import iso8601

if TYPE_CHECKING:
    from keystead.access.decisions import Policy
    from keystead.access.documents import Document
    from keystead.api.replay import Change, Comparison
    from keystead.server.operator import Reader

_SINCE = "7d"


class _Plan(NamedTuple):
    """Whose calls are replayed, by user id, and what the policies of each become; in words, what is compared."""

    users: dict[str, str]  # with their names
    change: "Callable[[Sequence[Policy]], Sequence[Policy]]"
    words: str


def diff(args: argparse.Namespace) -> int:
    """List the calls that would be refused, and those that would be allowed."""
    import keystead.operations  # noqa: F401 - fills the catalogue
    from keystead.access.explanation import Asker
    from keystead.api import questions, replay
    from keystead.api.principals import Principals
    from keystead.cli.commands.access import asked
    from keystead.domain.identities import User
    from keystead.server.operator import Wanted, snapshot

    document = asked.document_of(args.policy)
    since = moments.moment(_SINCE) if args.since is None else args.since
    with snapshot(target.directory(args.data)) as reader:
        account = asked.account_of(args, reader)
        only: set[str] | None = None
        if args.user is not None:
            caller = asked.caller_of(args, reader)
            account, only = caller.account, {caller.principal}
        plan = _plan(args, reader, account, only, document)
        principals = Principals(reader.holdings)
        before: dict[str, Asker] = {}
        after: dict[str, Asker] = {}
        for user in reader.holdings.identities.all(User, account):
            if user.user_id in plan.users:
                before[user.user_id] = asker = questions.asker_of(principals, questions.caller_of(user))
                after[user.user_id] = asker._replace(policies=plan.change(asker.policies or ()))
        records = reader.each(Wanted(since=since, account=account))
        found = replay.compare(reader.holdings, records, before, after)
    return _print(args, plan, found)


def _plan(
    args: argparse.Namespace, reader: "Reader", account: str, only: set[str] | None, document: "Document"
) -> _Plan:
    from keystead.access.decisions import Policy, PolicyType
    from keystead.access.system_policies import SYSTEM_POLICIES
    from keystead.api.principals import Principals
    from keystead.domain.identities import CustomPolicy, User

    principals = Principals(reader.holdings)
    identities = reader.holdings.identities
    users = {user.user_id: user.name for user in identities.all(User, account)}
    if args.group is not None:
        only = _members(reader, account, args.group)
    elif only is not None and not only & users.keys():
        raise output.WrongCommandLine(
            "the account's root user needs no policy", hint="name a RAM user with --as"
        )
    whose = args.user if args.user is not None else f"group {args.group}"
    shown = "the policy" if args.policy == "-" else args.policy
    asked = users if only is None else {one: name for one, name in users.items() if one in only}
    new = Policy(PolicyType.CUSTOM, shown, document, args.group or "")
    if args.alone:
        if only is None:
            raise output.WrongCommandLine(
                "--alone is about one user or group", hint="add --as USER or --group GROUP"
            )
        kept = args.group or None
        return _Plan(
            asked,
            lambda before: [new, *(one for one in before if kept is not None and one.group != kept)],
            f"{shown} in place of all that {whose} has",
        )
    name = (Path(args.policy).stem if args.policy != "-" else "") if args.replaces is None else args.replaces
    known = [*SYSTEM_POLICIES, *(policy.name for policy in identities.all(CustomPolicy, account))]
    if args.replaces is not None and name not in known:
        near = output.nearest(name, known)
        raise output.WrongCommandLine(
            f"there is no policy {name!r} in account {account}",
            hint=f"did you mean {near}?" if near else "keystead ram ListPolicies shows all",
        )
    having = {
        one: user
        for one, user in asked.items()
        if any(policy.name == name for policy in principals.policies(account, one))
    }
    if having or (name in known and only is None):
        return _Plan(
            having,
            lambda before: [
                one._replace(name=shown, document=document) if one.name == name else one for one in before
            ],
            f"{shown} in place of the policy {name}",
        )
    if args.replaces is not None:
        raise output.WrongCommandLine(
            f"{whose} does not have the policy {name}",
            hint="without --replaces the policy is taken beside the others",
        )
    if only is None:
        raise output.WrongCommandLine(
            f"there is no policy {name!r} in account {account} that it could stand for",
            hint="--replaces NAME names one; --as USER or --group GROUP takes it beside what they have",
        )
    return _Plan(asked, lambda before: [*before, new], f"{shown} beside what {whose} has")


def _members(reader: "Reader", account: str, name: str) -> set[str]:
    from keystead.domain.identities import Group, Member

    groups = reader.holdings.identities.all(Group, account)
    group = next((one for one in groups if one.name == name), None)
    if group is None:
        near = output.nearest(name, [one.name for one in groups])
        raise output.WrongCommandLine(
            f"there is no group {name!r} in account {account}",
            hint=f"did you mean {near}?" if near else "keystead ram ListGroups shows all",
        )
    every = reader.holdings.identities.all(Member, account)
    return {one.user_id for one in every if one.group_id == group.group_id}


def _print(args: argparse.Namespace, plan: _Plan, found: "Comparison") -> int:
    if args.output == "json":
        output.answer(
            {
                "Compared": plan.words,
                "Calls": found.calls,
                "Refused": [_members_of(plan, one) for one in found.refused],
                "Allowed": [_members_of(plan, one) for one in found.allowed],
                "RefusedAnyway": found.refused_anyway,
                "Unknown": found.unknown,
            }
        )
    else:
        output.note(
            f"{plan.words}: {output.amount(found.calls, 'call')} of {output.amount(len(plan.users), 'user')}"
        )
        _table(plan, "would be refused", found.refused)
        _table(plan, "would be allowed", found.allowed)
        if found.refused_anyway:
            output.note(
                f"{found.refused_anyway} calls succeeded then and would be refused today, with or without it"
            )
        if found.unknown:
            calls = output.amount(found.unknown, "call")
            output.note(f"left out: {calls} whose records do not say what they needed")
        if not found.refused and not found.allowed:
            output.line("nothing would change")
    return output.WOULD_REFUSE if found.refused else output.DONE


def _table(plan: _Plan, title: str, changes: "Sequence[Change]") -> None:
    if not changes:
        return
    rows = [("CALLS", "ACTION", "RESOURCE", "CALLER", "LAST", "BECAUSE")]
    rows += [
        (
            str(one.calls),
            one.action,
            one.resource,
            plan.users[one.user],
            iso8601(one.last / 1000),
            one.reason,
        )
        for one in changes
    ]
    output.line(output.Marked(title, "bad" if "refused" in title else "good"))
    output.table(rows, first=4)


def _members_of(plan: _Plan, one: "Change") -> dict[str, object]:
    return {
        "Action": one.action,
        "Resource": one.resource,
        "User": plan.users[one.user],
        "Calls": one.calls,
        "Last": iso8601(one.last / 1000),
        "Reason": one.reason,
    }
