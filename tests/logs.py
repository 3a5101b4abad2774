"""Logs of servers that share a store, made by a model of it; and what somebody does to such a log."""

import json
from collections.abc import Collection, Iterator, Sequence

import msgspec

from keystead.domain.audit import Head, Kind, Record, columns, hashed, link
from keystead.domain.keys.key import Key
from keystead.domain.keys.lifecycle import Event, Gate, is_open
from keystead.domain.proofs.facts import Fact
from keystead.domain.proofs.heads import NOTING
from keystead.domain.proofs.uses import _KEY
from keystead.errors import StateModifiedFailed
from keystead.store.lookups import Verdict
from keystead.store.proof import Link
from keystead.store.verification import Verification
from tests.unit.domain.test_audit import RECORD

Kept = tuple[Record, bytes]
ADMIN = "LTAIADMIN"
Call = tuple[str, str, str]  # an operation, what it is about, and the AccessKey that it comes by


def key_arn(key: str) -> str:
    return f"acs:kms:cn-hangzhou:{RECORD.account}:key/{key}"


class Servers:
    """Some of them, each with a chain. A batch of one of them has the store for itself."""

    def __init__(self, *servers: str) -> None:
        self.log: list[Kept] = []
        self.revision = 0
        self._starts = dict.fromkeys(servers, 0)
        self._ends: dict[str, Head] = {}
        self.keys: dict[str, Key] = {}
        self.active: dict[str, bool] = {ADMIN: True}
        for server in servers:
            self.start(server)

    def chain(self, server: str) -> str:
        return f"{server}.{self._starts[server]}"

    def start(self, server: str) -> None:
        """It starts, again perhaps: with a chain of its own each time."""
        self._starts[server] += 1
        self.note(server, "JoinServer")

    def note(self, server: str, action: str = "NoteHeads") -> None:
        own = self.chain(server)
        heads = {chain: str(head) for chain, head in self._ends.items() if chain != own}
        self.record(server, action, kind=Kind.SERVICE_EVENT, by="", parameters={"Heads": heads})

    def batch(self, server: str, *calls: Call) -> None:
        """Some calls, each answered as the store says, in one commit."""
        changed = False
        for action, about, by in calls:
            allowed = self.active.get(by, True)
            if action == "Encrypt":
                done = allowed and self.may_use(about)
            else:
                before = self.keys.get(about, _KEY), self.active.get(about, True)
                done = allowed and self._change(action, about)
                changed = changed or before != (self.keys.get(about, _KEY), self.active.get(about, True))
            of_key = not about.startswith("LTAI")
            arn = key_arn(about) if of_key else f"acs:ram::{RECORD.account}:accesskey/{about}"
            status = {"Activate": "Active", "Deactivate": "Inactive"}.get(action)
            self.record(
                server,
                action if status is None else "UpdateAccessKey",
                arn,
                by=by,
                code="" if done else "Rejected",
                revision=self.revision + changed,
                parameters={} if status is None else {"Status": status},
            )
        self.revision += changed

    def may_use(self, key: str) -> bool:
        return is_open(Gate.USE, self.keys.get(key, _KEY).state)

    def record(
        self,
        server: str,
        action: str,
        *resources: str,
        by: str = ADMIN,
        kind: Kind = Kind.API_CALL,
        code: str = "",
        revision: int | None = None,
        parameters: object = (),
    ) -> Record:
        """The next record of a server, whatever it says."""
        chain = self.chain(server)
        end = self._ends.get(chain, Head())
        record = msgspec.structs.replace(
            RECORD,
            chain=chain,
            sequence=end.count + 1,
            time=RECORD.time + len(self.log),
            kind=kind,
            action=action,
            access_key_id=by,
            resources=json.dumps(resources),
            parameters=json.dumps(dict(parameters)),  # type: ignore[call-overload]
            code=code,
            revision=self.revision if revision is None else revision,
        )
        self._ends[chain] = Head(record.sequence, link(end.hash, record))
        self.log.append((record, self._ends[chain].hash))
        return record

    def _change(self, action: str, about: str) -> bool:
        if action in ("Activate", "Deactivate"):
            self.active[about] = action == "Activate"
            return True
        key = self.keys.get(about, _KEY)
        try:
            match action:
                case "ScheduleKeyDeletion":
                    key = key.scheduled(0)
                case "DeleteKeyMaterial":
                    key = key.without_material()
                case "ImportKeyMaterial":
                    key = key.with_material(b"", None)
                case _:
                    key = key.after(EVENTS[action])
        except StateModifiedFailed:
            return False
        self.keys[about] = key
        return True


EVENTS = {"EnableKey": Event.ENABLE, "DisableKey": Event.DISABLE, "CancelKeyDeletion": Event.CANCEL_DELETION}
CHANGES = (*EVENTS, "ScheduleKeyDeletion", "DeleteKeyMaterial", "ImportKeyMaterial")


class KeptLog:
    """See keystead.store.proof.Log."""

    def __init__(self, log: Sequence[Kept]) -> None:
        self.log = log

    def verify(self, expect: Head | None = None) -> tuple[Verdict, ...]:
        verification = Verification(expect=expect)
        for record, digest in self.log:
            verification.follow(record.chain.encode(), record.sequence, hashed(columns(record)), digest)
        return verification.verdicts

    def facts(self, actions: Collection[str]) -> Iterator[Fact]:
        return (fact for record, fact in self._facts() if record.action in actions)

    def calls(self) -> Iterator[Fact]:
        return (fact for record, fact in self._facts() if record.kind is Kind.API_CALL)

    def links(self) -> Iterator[Link]:
        for record, digest in self.log:
            noting = record.parameters if record.action in NOTING and not record.code else ""
            yield Link(record.chain, record.sequence, digest, noting)

    def _facts(self) -> Iterator[tuple[Record, Fact]]:
        for place, (record, _) in enumerate(self.log, 1):
            if not record.code:
                yield record, Fact(place, *[getattr(record, name) for name in Fact._fields[1:]])


def anew(log: Sequence[Kept], place: int, **changes: object) -> list[Kept]:
    """The log with one record changed, and its chain written anew from there on."""
    found, chain = list(log), log[place][0].chain
    previous = next((digest for record, digest in reversed(log[:place]) if record.chain == chain), bytes(32))
    for later in range(place, len(log)):
        record = log[later][0]
        if record.chain == chain:
            record = msgspec.structs.replace(record, **(changes if later == place else {}))
            previous = link(previous, record)
            found[later] = record, previous
    return found
