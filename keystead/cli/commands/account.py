"""`keystead account`: make, list, rename, disable and enable the accounts of a server."""

import argparse

from keystead.cli import target
from keystead.cli.commands import access_key


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "account",
        help="make, list and disable accounts",
        description="Make, list and disable accounts: tenants of one server, none of which sees another's keys, users or "
        "records. Through the server that runs on the data directory, or without one.",
        examples=("keystead account create --name payments -o payments.json", "keystead account list"),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb, action, status, text in (
        (
            "create",
            "CreateAccount",
            "",
            "make one, with an AccessKey of its root; the secret is shown this once",
        ),
        ("list", "ListAccounts", "", "list all"),
        ("rename", "UpdateAccount", "", "give one another name"),
        ("disable", "UpdateAccount", "Disabled", "refuse its calls from now on; nothing of it is lost"),
        ("enable", "UpdateAccount", "Active", "answer its calls again"),
    ):
        words = {
            "create": " --name payments -o payments.json",
            "list": "",
            "rename": " 1234567890123456 billing",
        }.get(verb, " 1234567890123456")
        command = verbs.add_parser(
            verb,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            examples=(f"keystead account {verb}{words}",),
        )
        if verb not in ("create", "list"):
            command.add_argument(
                "account", metavar="ID", type=target.account_id, help="the account's id, as the list shows it"
            )
        if verb == "rename":
            command.add_argument("new_name", metavar="NAME", help="what the list shall call it")
        if verb == "create":
            command.add_argument("--name", metavar="NAME", help="what the list calls it")
            access_key.add_out(command)
        command.add_argument("--data", metavar="DIR", help=target.DATA)
        command.set_defaults(func=main, action=action, status=status)


def main(args: argparse.Namespace) -> int:
    """Run the operation."""
    return access_key.operate(
        args,
        {
            "AccountId": getattr(args, "account", None),
            "AccountName": getattr(args, "name", None),
            "NewAccountName": getattr(args, "new_name", None),
            "Status": args.status or None,
        },
        _hint,
        _unsure(args),
    )


def _hint(args: argparse.Namespace, code: str) -> str:
    if code != "InvalidParameter":
        return "keystead account list shows all"
    if args.status == "Disabled":
        return "the server's first account cannot be disabled"
    return "a name has at most 64 characters"


def _unsure(args: argparse.Namespace) -> str:
    if args.action == "ListAccounts":
        return "try again later"
    lost = "; nobody has the secret of its AccessKey" if args.action == "CreateAccount" else ""
    return target.unsure("account list", args.data, lost)
