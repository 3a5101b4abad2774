"""`keystead store`: whether what is stored was altered outside of the service, what to do then, and its moves elsewhere."""

import argparse

from keystead.cli import output, target


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "store",
        help="check that nobody altered what is stored, or move it",
        description="Check that nobody altered what is stored, and seal it anew if somebody had to. Move all of it from a "
        "data directory to a database that several servers share, or back.",
        examples=(
            "keystead store verify",
            "keystead store copy --from DIR --to postgresql://keystead@db/keystead",
        ),
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
    _add_copy(verbs)


def _add_copy(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    copy = verbs.add_parser(
        "copy",
        help="move a whole store to another place",
        description="Move a whole store: keys, users, policies, audit records, and which requests were accepted. A place is "
        "a data directory, or a PostgreSQL database as the setting store names one. All servers on both places must be "
        "stopped. Everything is proved there, by the seals of the rows and the chains of the records, before it may be "
        "used; from then on the other place is not. Whatever cuts it off, run the same command again: it goes on from "
        "there. It is recorded. What has an anchor needs a new place for that.",
        examples=(
            "keystead store copy --from /srv/kms --to postgresql://kms@db/keystead",
            "keystead store copy --from postgresql://kms@db/keystead --to /srv/kms",
        ),
    )
    copy.add_argument("--from", dest="source", metavar="PLACE", required=True, help="where the store is")
    copy.add_argument(
        "--to", dest="target", metavar="PLACE", required=True, help="an empty place that it goes to"
    )
    copy.add_argument(
        "--trial",
        action="store_true",
        help="make a copy to try with, and leave the store where it is. The copy is another server: nobody is signed in "
        "there, and no request that was signed before is accepted. From then on neither knows of the other: a key that is "
        "disabled in one is not in the other",
    )
    copy.add_argument(
        "--root-key",
        metavar="FILE",
        default="",
        help="the root key: its file, which is copied into a new directory, or what the setting root-key may say (default: "
        "root.key in the data directory, else the setting)",
    )
    copy.add_argument(
        "--store-password-file",
        metavar="FILE",
        default="",
        help="a file with the password of the database, as the setting of this name (default: that, else as PostgreSQL's "
        "own programs find it)",
    )
    copy.set_defaults(func=copy_store)


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


def copy_store(args: argparse.Namespace) -> int:
    """Move or copy it, and say what comes next."""
    from keystead.server.recovery import copy_store as copy

    copied = copy(
        args.source,
        args.target,
        root_key=args.root_key,
        password_file=args.store_password_file,
        trial=args.trial,
        tell=output.progress,
    )
    output.fact("copied" if args.trial else "moved", f"{copied.source} to {copied.target}")
    output.amounts(copied.amounts, "keys", "key_versions", "access_keys", "users")
    output.fact("audit records", f"{copied.records:,}, all chains verified")
    output.fact("new chain", copied.chain)
    for text in copied.altered:
        output.warning(f"altered before, and not used there either: {text}")
    if args.trial:
        output.warning(
            "both may be used from here on, and go separate ways: a request can be accepted by each, and a key that is "
            "disabled in one is not in the other"
        )
    else:
        output.note(
            f"{copied.source} is not used any more; a server that is started on it says where the store is now"
        )
    return output.DONE
