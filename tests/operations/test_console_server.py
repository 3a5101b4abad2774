"""DescribeServer: how the server is, for its owner."""

import pytest

from keystead import __version__
from keystead.api.home import ServerFacts, ShownSetting
from keystead.domain.authorities import KeptAuthority
from keystead.domain.keys.key import Wrapped
from tests.at_console import Console
from tests.harness import Service
from tests.operations.test_accounts import made
from tests.ram import Ram, allow


def test_the_server_is_described_as_it_is() -> None:
    service = Service()
    service.pipeline.home.describe = lambda: ServerFacts(
        started=int(service.clock.now()) - 90,
        url="https://localhost:8443",
        ops_url="http://127.0.0.1:8444",
        settings=(ShownSetting("name", '["kms.example.com"]', "keystead.toml"),),
        certificate_expires=1_800_000_000,
        own_authority=True,
        database=4096,
        wal=8192,
        free=10**12,
        front="running",
        problems=("the disk is full",),
    )
    service.store.begin()
    authority = KeptAuthority(certificate="", key=Wrapped(1, b""), expires=1_900_000_000)
    service.store.authorities.replace([authority])
    service.store.commit()
    assert Console(service).ok("DescribeServer") == {
        "Version": __version__,
        "StartDate": "2026-01-02T03:02:35Z",
        "UptimeSeconds": 90,
        "Region": "cn-hangzhou",
        "AccountId": service.account,
        "Url": "https://localhost:8443",
        "OpsUrl": "http://127.0.0.1:8444",
        "ProxyUrl": "",
        "Settings": {
            "Setting": [{"Name": "name", "Value": '["kms.example.com"]', "Source": "keystead.toml"}]
        },
        "CertificateExpireDate": "2027-01-15T08:00:00Z",
        "AuthorityExpireDate": "2030-03-17T17:46:40Z",
        "DatabaseBytes": 4096,
        "WalBytes": 8192,
        "FreeBytes": 10**12,
        "FrontProcess": "running",
        "Problems": {"Problem": ["the disk is full"]},
    }


def test_what_is_not_known_is_empty() -> None:
    service = Service()
    told = Console(service).ok("DescribeServer")
    assert (told["AccountId"], told["StartDate"], told["UptimeSeconds"]) == (service.account, "", 0)
    assert (told["CertificateExpireDate"], told["AuthorityExpireDate"]) == ("", "")


@pytest.mark.parametrize("policy", [allow("kms:*"), allow("*"), allow("keystead:DescribeServer")])
def test_no_user_may_see_it(policy: dict[str, object]) -> None:
    service = Service()
    Ram(service).user("alice", policy)
    console = Console(service, "alice")
    assert console.refused("DescribeServer") == "Forbidden.NoPermission"
    place = f"acs:keystead:{service.region}:{service.account}:*"
    assert console.may(("keystead:DescribeServer", place)) == [False]


def test_no_other_account_s_owner_may_see_it() -> None:
    service = Service()
    stranger, _ = made(service)
    assert Console(service, account=stranger).refused("DescribeServer") == "Forbidden.NoPermission"
    place = f"acs:keystead:{service.region}:{stranger}:*"
    assert Console(service, account=stranger).may(("keystead:DescribeServer", place)) == [False]
    place = f"acs:keystead:{service.region}:{service.account}:*"
    assert Console(service).may(("keystead:DescribeServer", place)) == [True]
