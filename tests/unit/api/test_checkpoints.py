from pathlib import Path

from keystead.api import checkpoints
from keystead.crypto.notes import opened
from keystead.domain.checkpoints import read
from tests.harness import OnDisk, Service
from tests.unsealed import without_seals


def test_a_checkpoint_is_of_what_was_durable_before() -> None:
    service = Service()
    service.key()
    chain = service.world.server_id
    service.store.begin()
    head = service.store.audit.head(chain)
    checkpoint, note = checkpoints.sign(service.pipeline.vault, chain, head, service.account, 5)
    service.store.rollback()
    key = checkpoints.signer_of(service.pipeline.vault, chain, service.account).public
    assert read(opened(note.encode(), key)) == checkpoint
    assert (checkpoint.chain, checkpoint.head, checkpoint.time) == (chain, head, 5)
    assert head.count == service.before + 1


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    service = OnDisk(tmp_path / "data")

    def key() -> str:
        status, members = service.operate("GetCheckpointKey")
        assert status == 200
        return str(members["PublicKey"])

    first = key()
    service.store.close()
    service.start()
    assert key() == first
    # A store of the version before has none yet.
    service.store.close()
    without_seals(tmp_path / "data")
    service.start()
    second = key()
    assert second != first
    service.store.close()
    service.start()
    assert key() == second
    service.store.close()
