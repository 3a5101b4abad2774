"""What `keystead node` does: tell of the servers that share a database, and keep one out for good."""

import socket
from collections.abc import Mapping
from contextlib import closing

import msgspec

from keystead.client import transport
from keystead.client.transport import send_control
from keystead.domain.members import MemberState
from keystead.domain.products import KEYSTEAD
from keystead.errors import OperatorError
from keystead.operations.keystead.nodes import ShownNode, shown
from keystead.server.data import node
from keystead.server.data.store_place import shared_by
from keystead.server.operator import run_operation, with_data
from keystead.store.contents import Contents


def listed(data: str, command: str) -> tuple[ShownNode, ...]:
    """All servers that ever joined the database of a directory; the one of a directory whose database is in it."""
    directory = with_data(data)
    if directory.database.exists():
        state = MemberState.RUNNING if directory.locked() else MemberState.STOPPED
        with closing(Contents(directory.database)) as contents:
            server = contents.server()
        here = socket.gethostname()
        return (
            ShownNode(node_id=server, host=here, state=state, starts=0, started="", last_seen="", own=True),
        )
    if directory.locked():
        answer = send_control(
            directory.control, "ListNodes", KEYSTEAD.version, {}, command, "try again later"
        )
        return tuple(msgspec.convert(answered(answer)["Nodes"], list[ShownNode]))
    shared, this = shared_by(directory), node.joined(directory)
    assert shared is not None
    assert this is not None
    # Late, as its library is needed by nobody else.
    from keystead.store.postgresql.members import members_at

    return tuple(shown(member, own=member.server == this.server) for member in members_at(shared.place))


def retire(data: str, server: str, command: str, *, force: bool) -> None:
    """Let a server commit nothing from here on, and never start again. OperatorError if that is not to be."""
    directory = with_data(data)
    if directory.database.exists():
        raise OperatorError(
            f"the database of {directory.path} is in it: no other server uses it",
            hint="servers that share a PostgreSQL database can be retired",
        )
    found = next((one for one in listed(data, command) if one.node_id == server), None)
    if found is None:
        raise OperatorError(
            "the database knows no such server", hint="keystead node list shows all, with their ids"
        )
    if found.state == MemberState.RETIRED:
        raise OperatorError(f"{server} is retired already", hint="keystead node list shows all")
    if not force and (found.own or found.state == MemberState.RUNNING):
        what = "is the server of this directory itself" if found.own else f"runs, on {found.host}"
        raise OperatorError(
            f"{server} {what}: retired, it can answer no call any more",
            hint="stop it for good first; where that can't be done, --force keeps it out at once",
        )
    parameters = {"NodeId": server, "Force": "true" if force else "false"}
    answered(
        run_operation(
            data, "RetireNode", parameters, command, "keystead node list tells whether it is retired"
        )
    )


def answered(answer: transport.Answer) -> Mapping[str, object]:
    """The members of an answer; OperatorError for a refusal."""
    if answer.status != 200:
        raise OperatorError(
            f"{answer.members.get('Code')}: {answer.members.get('Message')}",
            hint="keystead node list shows all",
        )
    return answer.members
