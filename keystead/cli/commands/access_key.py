"""`keystead access-key`: make, list, deactivate and delete the AccessKeys of the account."""

import argparse

from keystead.cli import output
from keystead.settings import default_data


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "access-key",
        help="make, list and revoke AccessKeys",
        description="Make, list and revoke AccessKeys: through the server that runs on the data directory, or without one.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
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
    from keystead.server.operator import is_root_access_key, run_operation

    parameters = {}
    if "access_key_id" in args:
        parameters["AccessKeyId"] = args.access_key_id
    if args.status:
        parameters["Status"] = args.status
    status, members = run_operation(args.data, args.action, parameters)
    if status != 200:
        hint = "keystead access-key list shows all" if "access_key_id" in args else ""
        output.error(f"{members['Code']}: {members['Message']}", hint)
        return output.REFUSED
    output.answer(members)
    if args.action == "CreateAccessKey":
        output.warning("the secret is shown this once; keep it where only its user can read it")
    elif (
        args.status != "Active"
        and "access_key_id" in args
        and is_root_access_key(args.data, args.access_key_id)
    ):
        output.warning(
            "that was the root AccessKey; commands now need another one in ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET"
        )
    return output.DONE
