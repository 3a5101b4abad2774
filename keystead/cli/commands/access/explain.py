"""`keystead access explain` and `simulate`: decisions with all that led to them."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from keystead.cli import output, target
from keystead.cli.commands.file.reading import context_of

if TYPE_CHECKING:
    from keystead.access.explanation import Asker, Examined, Explanation
    from keystead.server.operator import Reader

VERDICTS = {
    "Applies": "applies",
    "ConditionNotMet": "condition not met",
    "OtherResource": "on other resources",
    "OtherPrincipal": "of others",
    "LeftToAccount": "leaves it to the account",
}


def explain(args: argparse.Namespace) -> int:
    """Print the decision about one action, and every statement that matters."""
    from keystead.api import questions
    from keystead.api.principals import Principals
    from keystead.cli.commands.access import asked
    from keystead.server.operator import snapshot

    with snapshot(target.directory(args.data)) as reader:
        caller = asked.caller_of(args, reader)
        asker = questions.asker_of(Principals(reader.holdings), caller)
        found = _explained(reader, args, asker, [args.action], args.resource)
    return _print(args, asker, found)


def simulate(args: argparse.Namespace) -> int:
    """Print the decisions of policies that are not attached yet."""
    from keystead.access.decisions import Policy, PolicyType
    from keystead.access.explanation import Asker
    from keystead.api import questions
    from keystead.api.principals import Principals
    from keystead.cli.commands.access import asked
    from keystead.server.operator import snapshot

    if args.policy.count("-") > 1:
        raise output.WrongCommandLine("standard input can be read once", hint="write - once")
    more: list[Policy] = [Policy(PolicyType.CUSTOM, name, asked.document_of(name)) for name in args.policy]
    with snapshot(target.directory(args.data)) as reader:
        asker = Asker(asked.account_of(args, reader), "", more)
        if args.user is not None:
            asker = questions.asker_of(Principals(reader.holdings), asked.caller_of(args, reader), more)
        found = _explained(reader, args, asker, args.action, args.resource)
    return _print(args, asker, found)


def _explained(
    reader: "Reader",
    args: argparse.Namespace,
    asker: "Asker",
    actions: Sequence[str],
    resources: Sequence[str],
) -> "list[Explanation]":
    import keystead.operations  # noqa: F401 - fills the catalogue
    from keystead.api import questions
    from keystead.cli.commands.access import asked
    from keystead.clock import SystemClock
    from keystead.domain.accounts import AccountStatus
    from keystead.settings import Settings

    store, given = reader.holdings, context_of(args.context)
    region = target.region(args.region) or Settings().region
    arns = [asked.arn_of(reader, one, asker.account, region) for one in resources]
    found: list[Explanation] = []
    account = store.accounts.get(asker.account)
    if account is not None and account.status == AccountStatus.DISABLED:
        output.note(f"account {asker.account} is disabled: whatever its policies allow, no call is accepted")
    for word in actions:
        with asked.right_words(
            "keystead access explain --help shows how actions, resources and keys are written"
        ):
            action = questions.find_action(word)
            needs = questions.needs_of(store, action, arns, asker.account, region)
            questions.check_context(action.operation, given)
        if missing := questions.unnamed(action, needs):
            output.note(f"{action} also needs to be allowed on {missing}; name it for the whole answer")
        if not needs:
            output.note(f"{action} needs nothing: whoever has an AccessKey may do it")
        for need in needs:
            own = need.owner == asker.account
            if own and need.key is None and ":key/" in need.resource and not need.resource.endswith("/*"):
                output.note(
                    f"there is no {need.resource}, so that only the policies of identities have a say"
                )
        for policy in questions.silent(asker, needs):
            output.note(f"{policy} is malformed by today's rules, so that it says nothing: set it anew")
        found += questions.explained(store, asker, needs, given, SystemClock().now())
    return found


def _print(args: argparse.Namespace, asker: "Asker", found: "list[Explanation]") -> int:
    from keystead.operations.keystead.access import shown

    answer = shown(asker.arn, found)
    if args.output == "json":
        output.answer(msgspec.to_builtins(answer))
    else:
        for number, one in enumerate(found):
            if number:
                output.line("")
            _print_one(asker, one)
    return output.DONE if answer.allowed else output.WOULD_REFUSE


def _print_one(asker: "Asker", one: "Explanation") -> None:
    output.line(output.Marked("allowed", "good") if one.decision.allowed else output.Marked("refused", "bad"))
    output.fact("action", one.asked.action)
    output.fact("resource", one.asked.resource)
    output.fact("caller", asker.arn or "whoever has these policies and no other")
    output.fact("because", one.reason)
    if not one.statements:
        return
    head = ("POLICY", "TYPE", "THROUGH", "STATEMENT", "EFFECT", "VERDICT")
    output.line("")
    output.table([head, *map(_row, one.statements)], first=2)


def _row(one: "Examined") -> tuple[str, ...]:
    policy, statement = one.ground
    verdict = VERDICTS[one.verdict]
    if one.unmet:
        verdict += ": " + "; ".join(map(str, one.unmet))
    elif one.verdict == "OtherResource":
        left_out = "all but " if statement.other_resources else ""
        verdict += f": {left_out}{', '.join(statement.resources.texts)}"
    elif one.verdict == "OtherPrincipal" and statement.principals is not None:
        verdict += f": {', '.join(statement.principals.texts)}"
    if one.verdict == "Applies":
        verdict = output.Marked(verdict, "good" if statement.effect == "Allow" else "bad")
    sid = f" {statement.sid}" if statement.sid else ""
    return policy.name, policy.type, policy.group, f"{statement.number}{sid}", statement.effect, verdict
