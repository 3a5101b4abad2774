"""`keystead store`: whether what is stored was altered outside of the service, and what to do then."""

import argparse

from keystead.cli import output, target


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "store",
        help="check that nobody altered what is stored",
        description="Check that nobody altered what is stored, and seal it anew if somebody had to.",
        examples=("keystead store verify",),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    verify = verbs.add_parser(
        "verify",
        help="look at every row, and name what was altered",
        description="Compare every row with its seal, all of them together with the sealed record, each audit record with "
        "the one before it, and what is counted with the rows. It only reads; a server may run meanwhile. Exit status 1 if "
        "something was altered, removed, brought back or put back as it was.",
        examples=("keystead store verify", "keystead store verify --data /var/lib/keystead"),
    )
    verify.set_defaults(func=verify_store)
    accept = verbs.add_parser(
        "accept",
        help="seal everything as it is now, altered or not",
        description="Seal everything as it is now, so that a server uses again what it refused. Whoever altered a row gets "
        "what they wanted: undo it first, or restore a backup. No server may run meanwhile. It is recorded, with all that "
        "was wrong. Altered audit records stay what they are.",
        examples=("keystead store accept --yes", "keystead store accept --yes --data /var/lib/keystead"),
    )
    accept.add_argument("--yes", action="store_true", help="I have looked at all that `store verify` names")
    accept.set_defaults(func=accept_store)
    for one in (verify, accept):
        one.add_argument("--data", metavar="DIR", help=target.DATA)


def verify_store(args: argparse.Namespace) -> int:
    """Look, and tell."""
    from keystead.server.operator import verify_store as verify

    seen = verify(target.directory(args.data))
    for one in seen.found:
        output.line(one)
    if seen.found:
        return output.error(
            f"{output.amount(len(seen.found), 'thing')} found that the service did not write",
            hint="the how-to page on altered data says what to do",
        )
    output.line(
        f"{output.amount(seen.rows, 'row')} at revision {seen.revision} and {output.amount(seen.records, 'audit record')}: "
        "all are as they were written"
    )
    return output.DONE


def accept_store(args: argparse.Namespace) -> int:
    """Seal it as it is, once the operator is sure."""
    from keystead.server.operator import accept_store as accept

    if not args.yes:
        raise output.WrongCommandLine(
            "this seals everything as it is now, what was altered too",
            hint="`keystead store verify` names that; --yes says that you have looked at it",
        )
    found = accept(target.directory(args.data))
    for one in found:
        output.line(f"accepted: {one}")
    if not found:
        output.note("nothing had been altered")
    return output.DONE
