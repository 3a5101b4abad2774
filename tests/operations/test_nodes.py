"""The servers of a database, through the operations; the database itself is tested in tests/store/test_members.py."""

import json
from typing import Any, cast

import pytest

from keystead.domain.audit import Head, Kind
from keystead.domain.members import Member, MemberState
from tests.harness import Service, in_memory

pytestmark = pytest.mark.memory("what it says of its database is made up")


class Database:
    """Some servers that share one."""

    warnings: tuple[str, ...] = ()
    skew, connected, size = 0.0, True, 0

    def __init__(self, own: str) -> None:
        states = dict(zip("abcd", MemberState, strict=True))
        self.found = [
            Member(server=server, name=f"host-{server}", epoch=2, started=60, seen=120, state=state)
            for server, state in states.items()
        ]
        server, _, epoch = own.partition(".")
        self.found.append(
            Member(
                server=server,
                name="here",
                epoch=int(epoch or 0),
                started=0,
                seen=0,
                state=MemberState.RUNNING,
            )
        )
        self.retired: list[str] = []
        self.ends: dict[str, tuple[Head, bool]] = {}

    def problems(self) -> list[str]:
        return []

    def tend(self) -> None: ...

    def members(self) -> tuple[Member, ...]:
        return tuple(self.found)

    def end(self, chain: str, after: int) -> tuple[Head, bool]:
        return self.ends.get(chain, (Head(), False))

    def retire(self, server: str) -> None:
        self.retired.append(server)


def sharing() -> tuple[Service, Database]:
    service = Service()
    database = Database(service.world.server_id)
    cast(Any, in_memory(service)).shared = database
    return service, database


def test_all_are_listed() -> None:
    service, _ = sharing()
    status, told = service.operate("ListNodes")
    assert status == 200
    assert [(one["NodeId"], one["State"], one["Own"]) for one in told["Nodes"]] == [
        ("a", "running", False), ("b", "stopped", False), ("c", "lost", False), ("d", "retired", False),
        (service.world.server_id, "running", False),
    ]  # fmt: skip
    assert told["Nodes"][0] == {
        "NodeId": "a",
        "Host": "host-a",
        "State": "running",
        "Starts": 2,
        "Started": "1970-01-01T00:01:00Z",
        "LastSeen": "1970-01-01T00:02:00Z",
        "Own": False,
    }
    assert service.call("ListNodes")[0] == 404  # not over the network


def test_the_one_that_answers_is_told_by_its_chain() -> None:
    service, database = sharing()
    database.found = [
        Member(server=chain, name="x", epoch=7, started=0, seen=0, state=MemberState.RUNNING)
        for chain in ("other", "own")
    ]
    service.pipeline.server_id = "own.7"
    _, told = service.operate("ListNodes")
    assert [one["Own"] for one in told["Nodes"]] == [False, True]


def test_one_that_does_not_run_is_retired_and_that_is_recorded() -> None:
    service, database = sharing()
    for server in ("b", "c"):
        status, told = service.operate("RetireNode", NodeId=server)
        assert (status, told["Node"]["State"]) == (200, "retired")
    assert database.retired == ["b", "c"]
    record = service.records[-1]
    assert (record.kind, record.action, record.code) == (Kind.OPERATOR_COMMAND, "RetireNode", "")
    assert '"NodeId":"c"' in record.parameters.replace(" ", "")


def test_where_the_chain_of_one_that_is_retired_ends_is_noted() -> None:
    service, database = sharing()
    database.ends = {"b.1": (Head(7, bytes(32)), True)}  # its second start wrote nothing
    assert service.operate("RetireNode", NodeId="b")[0] == 200
    (noted,) = [one for one in service.records if one.action == "NoteHeads"]
    assert json.loads(noted.parameters) == {"Heads": {"b.1": str(Head(7, bytes(32)))}}


def test_one_that_runs_is_retired_by_force_alone() -> None:
    service, database = sharing()
    status, told = service.operate("RetireNode", NodeId="a")
    assert (status, told["Code"]) == (409, "DeleteConflict.Node")
    assert database.retired == []
    assert service.operate("RetireNode", NodeId="a", Force="true")[0] == 200
    assert database.retired == ["a"]


def test_what_is_retired_stays_so_and_what_is_unknown_is_not_found() -> None:
    service, database = sharing()
    assert service.operate("RetireNode", NodeId="d")[0] == 200
    assert service.operate("RetireNode", NodeId="e")[1]["Code"] == "EntityNotExist.Node"
    assert database.retired == []


def test_a_store_of_ones_own_has_no_others() -> None:
    service = Service()
    for action, parameters in (("ListNodes", {}), ("RetireNode", {"NodeId": "a"})):
        status, told = service.operate(action, **parameters)
        assert (status, told["Code"]) == (409, "Rejected.StoreNotShared")
