import msgspec

from keystead.api.batch import Batch
from keystead.domain.audit import GENESIS, link
from keystead.entropy import SeededEntropy
from keystead.store.memory import MemoryStore
from tests.unit.domain.test_audit import RECORD


def test_records_follow_the_head_and_each_other() -> None:
    store = MemoryStore(entropy=SeededEntropy())
    for _ in range(2):
        store.begin()
        batch = Batch(store, store.server_id)
        assert batch.empty
        for _ in range(2):
            batch.append(msgspec.structs.replace(RECORD, chain=batch.chain, sequence=batch.next))
        assert (batch.empty, batch.records) == (False, 2)
        batch.write()
        store.commit()
    previous = GENESIS
    for number, (record, stored) in enumerate(store.audit.records.values(), 1):
        assert (record.sequence, record.chain) == (number, store.server_id)
        assert link(previous, record) == stored
        previous = stored
    assert store.audit.head(store.server_id).count == 4


def test_a_nonce_is_taken_once_in_a_batch_and_ever() -> None:
    store = MemoryStore(entropy=SeededEntropy())
    store.begin()
    batch = Batch(store, store.server_id)
    assert batch.use_nonce(1, b"a")
    assert not batch.use_nonce(1, b"a")
    assert batch.use_nonce(2, b"a")
    assert not batch.empty
    batch.write()
    store.commit()
    store.begin()
    assert not Batch(store, store.server_id).use_nonce(1, b"a")


def test_an_empty_batch_writes_nothing() -> None:
    store = MemoryStore(entropy=SeededEntropy())
    store.begin()
    Batch(store, store.server_id).write()
    assert store.audit.head(store.server_id).count == 0
