"""`keystead access`: why somebody may do something or may not, and what a policy should say or would change."""

import argparse

from keystead.cli import moments, output, target
from keystead.cli.commands.access import compare, explain, suggest

_READS = "It only reads; a server may run meanwhile."
_STATUS = f"The exit status is {output.WOULD_REFUSE} if anything would be refused."


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "access",
        help="explain, try, suggest and compare policies",
        description="Explain why a user may do something or may not, try policies before they are attached, suggest the "
        "least one, and compare. These commands only read; a server may run meanwhile.",
        examples=(
            "keystead access explain --as shop Decrypt alias/Apollo/WorkKey",
            "keystead access suggest --as shop --since 30d > shop.json",
        ),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_explain(verbs)
    _add_simulate(verbs)
    _add_suggest(verbs)
    _add_diff(verbs)


def _add_explain(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = verbs.add_parser(
        "explain",
        help="show why a user may do something or may not",
        description="Show why a user may do something or may not: every statement that matters, how it fares, and what "
        f"settles it. {_READS} {_STATUS}",
        examples=(
            "keystead access explain --as shop Decrypt alias/Apollo/WorkKey",
            "keystead access explain --as shop kms:Encrypt KEY_ID \\\n    --context acs:SourceIp=192.0.2.7",
            "keystead access explain --as root ListKeys",
        ),
    )
    _add_user(command, required=True)
    command.add_argument("action", metavar="ACTION", help="the action, as Decrypt or kms:Decrypt")
    command.add_argument(
        "resource",
        metavar="RESOURCE",
        nargs="*",
        help="a key's id, an alias, user/NAME, group/NAME, policy/NAME, or an ARN; none for what names none, as ListKeys",
    )
    _add_conditions(command)
    command.set_defaults(func=explain.explain)


def _add_simulate(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = verbs.add_parser(
        "simulate",
        help="try policies before they are attached",
        description="Show what these policies alone would decide or, with --as, beside those that a user has. They are "
        f"read like those of CreatePolicy, and refused alike. {_READS} {_STATUS}",
        examples=(
            "keystead access simulate shop.json --action Decrypt --resource KEY_ID",
            "keystead access simulate shop.json --as shop \\\n    --action Encrypt --action Decrypt --resource alias/work",
        ),
    )
    command.add_argument(
        "policy", metavar="POLICY", nargs="+", help="a policy's file, or - for standard input"
    )
    command.add_argument(
        "--action", metavar="ACTION", action="append", required=True, help="an action; may be given again"
    )
    command.add_argument(
        "--resource",
        metavar="RESOURCE",
        action="append",
        default=[],
        help="what it is done to, as explain has it; may be given again: each action is tried on each",
    )
    _add_user(command, required=False)
    _add_conditions(command)
    command.set_defaults(func=explain.simulate)


def _add_suggest(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = verbs.add_parser(
        "suggest",
        help="print the least policy for what a user did",
        description="Print the least policy that allows what a user, or the account itself, did by the audit records. "
        f"{moments.FORMS} {_READS}",
        examples=(
            "keystead access suggest --as shop --since 30d > shop.json",
            "keystead access suggest --as root --since 7d --into policies",
        ),
    )
    _add_user(command, required=True)
    command.add_argument("--since", metavar="T", type=moments.moment, help="from this time on (default: all)")
    command.add_argument(
        "--refused", action="store_true", help="allow what was refused for want of permission, too"
    )
    command.add_argument(
        "--into",
        metavar="DIR",
        help="write the policy into files there; it takes several if one would be too long",
    )
    _add_data(command)
    command.set_defaults(func=suggest.suggest)


def _add_diff(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = verbs.add_parser(
        "diff",
        help="list which calls of the last days a policy would refuse",
        description="Replay the last days with a policy in place of that of the same name, for whoever has it, and list "
        "the calls that succeeded and would be refused, and those that were refused and would be allowed. Where there is "
        "none of that name, the policy is taken beside those that the user or the group has. Keys have the policies and "
        f"tags that they have now. {moments.FORMS} {_READS} {_STATUS}",
        examples=(
            "keystead access diff decrypt-only.json --since 7d",
            "keystead access diff new.json --replaces decrypt-only",
            "keystead access diff shop.json --as shop --alone",
        ),
    )
    command.add_argument("policy", metavar="POLICY", help="the policy's file, or - for standard input")
    whose = command.add_mutually_exclusive_group()
    _add_user(whose, required=False, text="only calls of this user")
    whose.add_argument("--group", metavar="GROUP", help="only calls of the members of this group")
    how = command.add_mutually_exclusive_group()
    how.add_argument(
        "--replaces",
        metavar="NAME",
        help="take it in place of this custom policy (default: that of the file's name)",
    )
    how.add_argument(
        "--alone",
        action="store_true",
        help="take it in place of every policy that the user or the group has",
    )
    command.add_argument("--since", metavar="T", type=moments.moment, help="from this time on (default: 7d)")
    _add_output(command)
    _add_data(command)
    command.set_defaults(func=compare.diff)


def _add_user(
    command: "argparse._ActionsContainer",
    *,
    required: bool,
    text: str = "the user: USER, USER@ACCOUNT, its ARN, or root for the account itself",
) -> None:
    more: dict[str, bool] = {"required": True} if required else {}
    command.add_argument("--as", metavar="USER", dest="user", help=text, **more)  # type: ignore[arg-type]


def _add_conditions(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--context",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a condition key of the call, as acs:SourceIp=192.0.2.7; may be given again. Without it the call is one of "
        "now, over HTTPS, from no address; the tags are those of the key",
    )
    command.add_argument("--region", metavar="REGION", help="the region of calls that name no key")
    _add_output(command)
    _add_data(command)


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", choices=("table", "json"), default="table", help="as what to print it")


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--account",
        metavar="ID",
        type=target.account_id,
        help="the account (default: that of the ARN, or else the server's first)",
    )
    command.add_argument("--data", metavar="DIR", help=target.DATA)
