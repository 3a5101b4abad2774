import pytest

from keystead.clock import iso8601
from keystead.crypto.authority import describe, open_authority
from keystead.domain.authorities import LOCAL, Names
from tests.harness import Service

DAY = 86_400


def kept(service: Service) -> list[tuple[Names, int | None]]:
    rows = service.store.authorities.all()
    for row in rows:
        open_authority(service.world.vault, row)
    return [(describe(row.certificate.encode()).names, row.retires) for row in rows]


def test_a_rotation_keeps_the_names_and_adds_more_and_the_old_one_goes_on() -> None:
    service = Service()
    status, first = service.operate("RotateAuthority")
    assert status == 200
    assert first["Names"] == list(LOCAL.all)
    now = int(service.clock.now())
    status, second = service.operate("RotateAuthority", Names="kms.example,198.51.100.7", OverlapDays="7")
    assert status == 200
    assert second["OverlapUntil"] == iso8601(now + 7 * DAY)
    assert second["Subject"] != first["Subject"]
    assert second["Fingerprint"] != first["Fingerprint"]
    wider = LOCAL | Names.of(["kms.example", "198.51.100.7"])
    assert second["Names"] == list(wider.all)
    assert kept(service) == [(LOCAL, now + 7 * DAY), (wider, None)]
    # The names go on; a second rotation puts no end off.
    service.operate("RotateAuthority")
    assert kept(service) == [(LOCAL, now + 7 * DAY), (wider, now + 30 * DAY), (wider, None)]
    service.clock.advance(8 * DAY)
    service.operate("RotateAuthority", OverlapDays="0")
    assert kept(service) == [(wider, None)]


def test_retiring_ends_every_overlap() -> None:
    service = Service()
    status, told = service.operate("RetireAuthorities")
    assert (status, told["Retired"]) == (200, [])
    assert kept(service) == []
    made = [service.operate("RotateAuthority")[1]["Subject"] for _ in range(3)]
    newest = service.store.authorities.all()[-1]
    status, told = service.operate("RetireAuthorities")
    assert (status, told["Retired"]) == (200, made[:2])
    assert service.store.authorities.all() == (newest,)
    # One whose overlap has ended is kept until the next change, and was retired then.
    service.operate("RotateAuthority", OverlapDays="1")
    service.clock.advance(2 * DAY)
    assert len(kept(service)) == 2
    status, told = service.operate("RetireAuthorities")
    assert (status, told["Retired"]) == (200, [])
    assert len(kept(service)) == 1


def test_a_dry_run_makes_none() -> None:
    service = Service()
    assert service.operate("RotateAuthority", DryRun="true")[1]["Code"] == "DryRunOperationError"
    assert kept(service) == []


@pytest.mark.parametrize(
    ("name", "value", "fine"),
    [
        ("OverlapDays", "3650", True),
        ("OverlapDays", "3651", False),
        ("OverlapDays", "-1", False),
        ("OverlapDays", "a", False),
        ("Names", ",".join(f"a{number}" for number in range(100)), True),
        ("Names", ",".join(f"a{number}" for number in range(101)), False),
        ("Names", "a,,b", False),
        ("Names", "a b", False),
    ],
)
def test_limits(name: str, value: str, fine: bool) -> None:
    service = Service()
    status, members = service.operate("RotateAuthority", **{name: value})
    assert status == (200 if fine else 400)
    if not fine:
        assert members["Code"] == "InvalidParameter"
        assert kept(service) == []


def test_the_network_does_not_reach_them_and_they_are_recorded() -> None:
    service = Service()
    request = service.request("RotateAuthority", {"Version": "2026-11-24"})
    assert service.send(request).status == 403
    assert kept(service) == []
    service.operate("RotateAuthority", Names="kms.example")
    record = service.records[-1]
    assert (record.kind, record.action, record.code) == ("OperatorCommand", "RotateAuthority", "")
    assert "kms.example" in record.parameters
