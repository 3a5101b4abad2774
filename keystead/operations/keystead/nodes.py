"""The servers that share a database: its operator's means to see them, and to keep one out for good."""

from typing import Annotated

import msgspec

from keystead.api import coerce
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Param, Reply, Request
from keystead.clock import iso8601
from keystead.domain.members import Member, MemberState
from keystead.domain.products import KEYSTEAD
from keystead.errors import NodeInUse, NodeNotFound, StoreNotShared

NodeId = Annotated[str, Param("String", coerce.text_up_to(64, "an id of a node"))]
Force = Annotated[bool, Param("Boolean", coerce.boolean)]


class ShownNode(msgspec.Struct, rename="pascal", frozen=True):
    """`starts`: how often it has started; `own`: whether it is the one that answers."""

    node_id: str
    host: str
    state: str
    starts: int
    started: str
    last_seen: str
    own: bool


class ListNodesRequest(Request, frozen=True):
    pass


class ListNodesReply(Reply, frozen=True):
    nodes: list[ShownNode]


class RetireNodeRequest(Request, frozen=True):
    node_id: NodeId
    force: Force = False


class RetireNodeReply(Reply, frozen=True):
    node: ShownNode


@operation(product=KEYSTEAD, errors=(StoreNotShared,))
def list_nodes(call: Call, request: ListNodesRequest) -> ListNodesReply:
    """All servers that ever joined the database, by the names of their hosts."""
    return ListNodesReply(nodes=[shown(one, own=one.chain == call.chain) for one in _members(call)])


@operation(changes=True, product=KEYSTEAD, errors=(StoreNotShared, NodeNotFound, NodeInUse))
def retire_node(call: Call, request: RetireNodeRequest) -> RetireNodeReply:
    """Let a server commit nothing from here on, and never start again with its id. One that runs only by force."""
    found = next((one for one in _members(call) if one.server == request.node_id), None)
    if found is None:
        raise NodeNotFound(name=request.node_id)
    if found.state is MemberState.RUNNING and not request.force:
        raise NodeInUse(name=request.node_id)
    assert call.store.shared is not None
    if found.state is not MemberState.RETIRED:
        call.store.shared.retire(found.server)
        call.chains.retire(call.batch, found)
    retired = msgspec.structs.replace(found, state=MemberState.RETIRED)
    return RetireNodeReply(node=shown(retired, own=found.chain == call.chain))


def shown(member: Member, *, own: bool) -> ShownNode:
    """A server as it is told of."""
    return ShownNode(
        node_id=member.server,
        host=member.name,
        state=member.state,
        starts=member.epoch,
        started=iso8601(member.started),
        last_seen=iso8601(member.seen),
        own=own,
    )


def _members(call: Call) -> tuple[Member, ...]:
    if call.store.shared is None:
        raise StoreNotShared
    return call.store.shared.members()
