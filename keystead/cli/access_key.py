"""`keystead access-key`: make, list, deactivate and delete the AccessKeys of the account."""

import argparse

from keystead.cli import output
from keystead.settings import default_data


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser("access-key", help="make, list and revoke AccessKeys")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb, action, status, text in (
        ("create", "CreateAccessKey", "", "make one; its secret is shown this once"),
        ("list", "ListAccessKeys", "", "list all, without their secrets"),
        ("activate", "UpdateAccessKey", "Active", "let one sign again"),
        ("deactivate", "UpdateAccessKey", "Inactive", "refuse what is signed with one, from now on"),
        ("delete", "DeleteAccessKey", "", "delete one for good"),
    ):
        command = verbs.add_parser(verb, help=text)
        if verb not in ("create", "list"):
            command.add_argument("access_key_id", metavar="ID")
        command.add_argument("--data", metavar="DIR", default=default_data(), help="the data directory")
        command.set_defaults(func=main, action=action, status=status)


def main(args: argparse.Namespace) -> int:
    """Run the operation: in the server that runs on the directory, or on the directory itself."""
    from keystead.server.operator import run_operation

    parameters = {}
    if "access_key_id" in args:
        parameters["AccessKeyId"] = args.access_key_id
    if args.status:
        parameters["Status"] = args.status
    status, members = run_operation(args.data, args.action, parameters)
    if status != 200:
        return output.error(f"{members['Code']}: {members['Message']}")
    output.answer(members)
    return 0
