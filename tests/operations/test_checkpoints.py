"""SignCheckpoint and GetCheckpointKey: the operator's alone."""

import pytest

from keystead.crypto.notes import opened, public_key
from keystead.domain.checkpoints import read
from keystead.domain.products import KEYSTEAD
from tests.harness import Service
from tests.ram import Ram, allow


def test_the_head_of_the_records_is_signed() -> None:
    service = Service()
    for expected in (0, 2):
        status, members = service.operate("SignCheckpoint")
        assert status == 200
        checkpoint = read(opened(members["Checkpoint"].encode(), public_key(members["PublicKey"])))
        assert (checkpoint.chain, checkpoint.head.count) == (
            service.world.server_id,
            service.before + expected,
        )
        assert service.operate("GetCheckpointKey")[1]["PublicKey"] == members["PublicKey"]
    assert [record.action for record in service.records] == [
        "SignCheckpoint",
        "GetCheckpointKey",
        "SignCheckpoint",
        "GetCheckpointKey",
    ]


@pytest.mark.parametrize("action", ["SignCheckpoint", "GetCheckpointKey"])
def test_nobody_else_may(action: str) -> None:
    service = Service()
    assert service.refused(action, Version=KEYSTEAD.version) == "Forbidden.NoPermission"
    alice = Ram(service).user("alice", allow("keystead:*", "*"))
    request = service.request(action, {"Version": KEYSTEAD.version}, access_key=alice)
    assert service.send(request).status == 403
