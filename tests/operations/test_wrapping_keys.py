from keystead.clock import iso8601
from tests.harness import Service


def test_a_rotation_makes_the_next_generation_beside_the_others() -> None:
    service = Service()
    status, before = service.operate("DescribeWrappingKeys")
    root = service.world.vault.root.fingerprint
    first = {"Generation": 1, "Created": iso8601(service.store.keyring.all()[0].created), "RootKey": root}
    assert (status, before["WrappingKeys"]) == (200, [first])
    service.clock.advance(10)
    second = {"Generation": 2, "Created": iso8601(service.clock.now()), "RootKey": root}
    status, told = service.operate("RotateWrappingKey")
    assert (status, told["WrappingKeys"]) == (200, [first, second])
    assert [row.generation for row in service.store.keyring.all()] == [1, 2]
    assert service.world.vault.newest == 1  # as long as nobody has seen that it is committed
    _, told = service.operate("RotateWrappingKey")
    assert [one["Generation"] for one in told["WrappingKeys"]] == [1, 2, 3]


def test_it_is_recorded_and_not_for_clients() -> None:
    service = Service()
    service.operate("RotateWrappingKey")
    assert service.records[-1].action == "RotateWrappingKey"
    assert service.refused("RotateWrappingKey") == "InvalidAction.NotFound"
    assert len(service.store.keyring.all()) == 1 + 1
