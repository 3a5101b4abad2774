"""`keystead node`: the servers that share a database."""

import argparse

import msgspec

from keystead.cli import output, target

_MEANINGS = {"running": "good", "lost": "doubtful", "retired": "bad"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "node",
        help="list and retire the servers that share a database",
        description="List and retire the servers that share a PostgreSQL database: through the server that runs on the data "
        "directory, or without one.",
        examples=("keystead node list", "keystead node retire 1b4e28ba-2fa1-41d2-883f-0016d3cca427"),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser(
        "list",
        help="show all that ever joined",
        description="Show all servers that ever joined the database: whether each one runs, was stopped, is lost (it did "
        "not say that it stops, and has no connection to the database) or retired; how often it has started, and when it "
        "was last there.",
        examples=("keystead node list", "keystead node list --json"),
    )
    listing.add_argument("--json", action="store_true", help="as JSON lines")
    listing.set_defaults(func=list_nodes)
    retire = verbs.add_parser(
        "retire",
        help="keep one out for good",
        description="Keep a server out for good, as one whose host is lost or was stolen. From here on it can commit "
        "nothing, so it answers no call, whatever it still believes; and it never starts again with its id. It is recorded, "
        "and what it has recorded stays. To have a server on that host again, give it a new data directory and the root "
        "key.",
        examples=(
            "keystead node retire 1b4e28ba-2fa1-41d2-883f-0016d3cca427",
            "keystead node retire --force 1b4e28ba-2fa1-41d2-883f-0016d3cca427",
        ),
    )
    retire.add_argument("id", metavar="ID", help="of the server, as the list shows it")
    retire.add_argument("--force", action="store_true", help="even if it runs, or is that of this directory")
    retire.set_defaults(func=retire_node)
    for one in (listing, retire):
        one.add_argument("--data", metavar="DIR", help=target.DATA)


def list_nodes(args: argparse.Namespace) -> int:
    """Print all."""
    from keystead.server.nodes import listed

    nodes = listed(target.directory(args.data), args.command_name)
    if args.json:
        for one in nodes:
            output.record(msgspec.to_builtins(one))
        return output.DONE
    rows: list[tuple[str, ...]] = [("ID", "HOST", "STATE", "STARTS", "STARTED", "LAST SEEN")]
    rows += [
        (
            one.node_id,
            f"{one.host} (this one)" if one.own else one.host,
            output.Marked(one.state, _MEANINGS[one.state]) if one.state in _MEANINGS else one.state,
            str(one.starts or ""),
            one.started,
            one.last_seen,
        )
        for one in nodes
    ]
    output.table(rows, first=3)
    return output.DONE


def retire_node(args: argparse.Namespace) -> int:
    """Keep it out."""
    from keystead.server.nodes import retire

    retire(target.directory(args.data), args.id, args.command_name, force=args.force)
    output.line(f"{args.id} is retired: it commits nothing from here on, and can't start again")
    return output.DONE
