"""Histories of servers that share a store: right ones are proved, and what was planted is found and named."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from keystead.cli.commands.audit import exported
from keystead.cli.commands.audit.exported_log import exported_log
from keystead.domain.audit import Record, columns
from keystead.domain.proofs import heads
from keystead.domain.proofs.uses import Closed
from keystead.errors import OperatorError
from keystead.store.proof import Log, Proof, prove
from keystead.store.reader import open_reader
from tests.logs import ADMIN, CHANGES, Call, Kept, KeptLog, Servers, anew, key_arn
from tests.store.kept import Where, change, opened
from tests.store.test_reader import where as where

SERVERS = ("one", "two", "three")
KEYS = ("k1", "k2")
ACCESS_KEYS = ("LTAI1", "LTAI2")

uses = some.tuples(some.just("Encrypt"), some.sampled_from(KEYS), some.sampled_from((*ACCESS_KEYS, ADMIN)))
changes = some.tuples(some.sampled_from(CHANGES), some.sampled_from(KEYS), some.just(ADMIN))
statuses = some.tuples(
    some.sampled_from(("Activate", "Deactivate")), some.sampled_from(ACCESS_KEYS), some.just(ADMIN)
)
batches = some.lists(uses | uses | changes | statuses, min_size=1, max_size=4)
steps = some.lists(
    some.tuples(some.sampled_from(SERVERS), some.just("start") | some.just("note") | batches), max_size=40
)
Steps = list[tuple[str, str | list[Call]]]


def lived(steps: Steps) -> Servers:
    servers = Servers(*SERVERS)
    for server, step in steps:
        if step == "start":
            servers.start(server)
        elif step == "note":
            servers.note(server)
        else:
            assert not isinstance(step, str)
            servers.batch(server, *step)
    return servers


def found(log: list[Kept]) -> list[str]:
    """All that is wrong with a log."""
    proof = prove(KeptLog(log))
    assert proof.amount == len(proof.problems)
    return [*(one.bad for one in proof.verdicts if one.bad), *proof.problems]


@given(steps)
def test_what_happened_is_proved(steps: Steps) -> None:
    assert found(lived(steps).log) == []


@given(steps, some.sampled_from(SERVERS), some.booleans())
def test_a_use_of_a_key_after_it_was_closed_is_found(steps: Steps, server: str, later: bool) -> None:
    """On the chain of whoever closed it or on another one, of its very revision or of a later one."""
    servers = lived(steps)
    servers.batch(
        "one", ("EnableKey", "k1", ADMIN), ("CancelKeyDeletion", "k1", ADMIN), ("DisableKey", "k1", ADMIN)
    )
    if later:
        servers.batch("two", ("DisableKey", "k2", ADMIN))
        servers.batch("two", ("EnableKey", "k2", ADMIN), ("CancelKeyDeletion", "k2", ADMIN))
    assert found(servers.log) == []
    assert not servers.may_use("k1")
    planted = servers.record(server, "Encrypt", key_arn("k1"))
    (told,) = found(servers.log)
    assert told.startswith(
        f"record {planted.sequence} of chain {planted.chain}: Encrypt used {key_arn('k1')}"
    )


@given(steps, some.sampled_from(SERVERS), some.booleans())
def test_a_call_of_an_access_key_after_it_was_deactivated_is_found(
    steps: Steps, server: str, later: bool
) -> None:
    servers = lived(steps)
    servers.batch("one", ("Activate", "LTAI1", ADMIN), ("Deactivate", "LTAI1", ADMIN))
    if later:
        servers.batch("two", ("Activate", "LTAI2", ADMIN), ("Deactivate", "LTAI2", ADMIN))
    planted = servers.record(server, "ListKeys", by="LTAI1")
    (told,) = found(servers.log)
    assert told.startswith(
        f"record {planted.sequence} of chain {planted.chain}: ListKeys came by AccessKey LTAI1"
    )


@given(steps, some.sampled_from(SERVERS))
def test_what_was_used_before_it_was_closed_is_right(steps: Steps, server: str) -> None:
    """A server whose batch was proved before the change, and one that used the key in the batch that closed it."""
    servers = lived(steps)
    servers.batch("one", ("ImportKeyMaterial", "k1", ADMIN), ("EnableKey", "k1", ADMIN))
    servers.batch("one", ("CancelKeyDeletion", "k1", ADMIN), ("ImportKeyMaterial", "k1", ADMIN))
    before = servers.revision
    use: Call = ("Encrypt", "k1", ADMIN)
    servers.batch(
        "one", use, ("DisableKey", "k1", ADMIN), ("EnableKey", "k1", ADMIN), use, ("DisableKey", "k1", ADMIN)
    )
    if server != "one":
        servers.record(server, "Encrypt", key_arn("k1"), revision=before)
    assert found(servers.log) == []


@given(steps, some.data())
def test_a_chain_that_is_missing_or_cut_off_is_found(steps: Steps, data: some.DataObject) -> None:
    servers = lived([*steps, ("three", "note")])
    chain = servers.chain(data.draw(some.sampled_from(("one", "two"))))
    own = [one for one in servers.log if one[0].chain == chain]
    kept = data.draw(some.integers(0, len(own) - 1))
    told = found([one for one in servers.log if one[0].chain != chain or one[0].sequence <= kept])
    mine = [one for one in told if f"chain {chain} " in one.partition(",")[0]]
    if kept:
        assert mine == [one for one in mine if f"chain {chain} ends at record {kept}, and record" in one]
    else:
        assert mine == [one for one in mine if f"chain {chain} is missing: record" in one]
    assert len(mine) == 1


@given(steps, some.data())
@settings(max_examples=200)
def test_a_record_that_was_altered_removed_or_moved_is_found(steps: Steps, data: some.DataObject) -> None:
    servers = lived([*steps, ("one", "note"), ("two", "note"), ("three", "note")])
    log = servers.log
    place = data.draw(some.integers(0, len(log) - 1))
    record, digest = log[place]
    altered = (msgspec.structs.replace(record, principal="somebody else"), digest)
    named = f"record {record.sequence} of chain {record.chain} "
    assert any(named in one for one in found([*log[:place], altered, *log[place + 1 :]]))
    of_chain = [at for at, one in enumerate(log) if one[0].chain == record.chain]
    if place != of_chain[-1]:
        assert found([*log[:place], *log[place + 1 :]]) != []
        other = of_chain[of_chain.index(place) + 1]
        moved = list(log)
        moved[place], moved[other] = moved[other], moved[place]
        assert any(one for one in prove(KeptLog(moved)).verdicts if one.bad and one.chain == record.chain)
    # Written anew with all that follows on its chain: whoever noted it since knows better.
    noted = any(
        f'"{record.chain}": "{one[0].sequence}:{one[1].hex()}"' in later.parameters
        for at, one in enumerate(log)
        if one[0].chain == record.chain and at >= place
        for later, _ in log
    )
    told = found(anew(log, place, principal="somebody else"))
    assert bool(told) is noted
    assert all("is not the one that record" in one for one in told)


def test_nothing_is_proved_of_no_records() -> None:
    assert prove(KeptLog([])) == Proof(verdicts=())


# --- the same log, wherever it is kept


def example() -> Servers:
    servers = Servers(*SERVERS)
    servers.batch("one", ("Encrypt", "k1", "LTAI1"), ("DisableKey", "k1", ADMIN))
    servers.note("two")
    servers.batch(
        "three", ("Encrypt", "k1", "LTAI1"), ("Deactivate", "LTAI1", ADMIN), ("Encrypt", "k2", "LTAI1")
    )
    servers.start("one")
    servers.batch("two", ("EnableKey", "k1", ADMIN), ("Encrypt", "k1", ADMIN))
    servers.note("three")
    return servers


def planted() -> Servers:
    servers = example()
    servers.batch("one", ("DisableKey", "k1", ADMIN))
    servers.record("two", "Encrypt", key_arn("k1"))
    servers.record("three", "ListKeys", by="LTAI1")
    return servers


def kept_at(where: Where, log: list[Kept]) -> None:
    store = opened(where)
    store.begin()
    store.audit.append(log)
    store.commit()
    store.close()


def line_of(record: Record, digest: bytes) -> str:
    return exported.line(columns(record), digest)


def proof_of(where: Where, signed: tuple[str, int] = ("", 0)) -> Proof:
    reader = open_reader(where)
    try:
        return prove(reader.log(), None, signed)
    finally:
        reader.close()


@pytest.mark.parametrize("late", [False, True])
def test_a_database_and_an_exported_log_prove_what_the_records_do(
    where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    if late:
        monkeypatch.setattr(heads, "_KEPT", 1)
    alike = []
    for servers, problems in ((example(), 0), (planted(), 2)):
        log = servers.log
        signed = (servers.chain("three"), log[-1][0].sequence)
        expected = prove(KeptLog(log), None, signed)
        assert len(expected.problems) == problems
        assert expected.closed == Closed(keys=1, access_keys=1)
        assert expected.noted > 5
        assert set(expected.covered) == {"one.1", "one.2", "two.1"}
        file = tmp_path / "log.jsonl"
        file.write_text("".join(line_of(*one) for one in log))
        with exported_log(str(file)) as found:
            assert prove(found, None, signed) == expected
        alike.append((signed, expected))
    kept_at(where, planted().log)
    signed, expected = alike[-1]
    assert proof_of(where, signed) == expected


def test_a_log_that_grows_meanwhile_is_proved_as_it_was(where: Where, tmp_path: Path) -> None:
    """What opens a key again must not be passed over, and its use taken."""
    servers = example()
    servers.batch("one", ("DisableKey", "k1", ADMIN))
    before = len(servers.log)
    servers.batch("one", ("EnableKey", "k1", ADMIN))
    servers.batch("two", ("Encrypt", "k1", ADMIN))
    file = tmp_path / "log.jsonl"
    lines = [line_of(*one) for one in servers.log]
    file.write_text("".join(lines[:before]))
    with exported_log(str(file)) as log:
        verdicts = log.verify()
        file.write_text("".join(lines))
        assert len(list(log.links())) == before == sum(one.head.count for one in verdicts)
    kept_at(where, servers.log[:before])
    reader = open_reader(where)
    kept = reader.log()
    more = opened(where)
    more.begin()
    more.audit.append(servers.log[before:])
    more.commit()
    more.close()
    assert len(list(kept.links())) == before
    assert prove(kept).problems == ()
    assert prove(reader.log()).problems == ()
    reader.close()


def test_an_altered_log_is_still_searched_for_uses(where: Where) -> None:
    log = planted().log
    kept_at(where, log)
    change(where, "UPDATE audit SET principal = 'x' WHERE chain = 'two.1' AND sequence = 2")
    proof = proof_of(where)
    assert [one.chain for one in proof.verdicts if one.bad] == ["two.1"]
    assert len(proof.problems) == 2
    assert proof.noted == 0  # its links are not what they were


class Unreadable:
    """A log of which a column can't be read."""

    def __init__(self, log: Log) -> None:
        self.verify, self.calls, self.links = log.verify, log.calls, log.links

    def facts(self, actions: object) -> None:
        raise OperatorError("it can't be read", hint="")


def test_what_cannot_be_read_is_told_by_its_chain_if_that_is_broken() -> None:
    log = example().log
    with pytest.raises(OperatorError):
        prove(Unreadable(KeptLog(log)))  # type: ignore[arg-type]
    proof = prove(Unreadable(KeptLog(log[1:])))  # type: ignore[arg-type]
    assert [one.chain for one in proof.verdicts if one.bad] == ["one.1"]
    assert proof.problems == ()
