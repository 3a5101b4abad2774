"""ListKeyUsers: who in the account may do what with a key."""

import json
from typing import Any

from tests.at_console import Console
from tests.harness import Service
from tests.ram import Ram, allow


def rights(service: Service, key_id: str, **parameters: str) -> dict[str, dict[str, str]]:
    """What each user may, by user and operation."""
    told = Console(service).ok("ListKeyUsers", KeyId=key_id, **parameters)
    return {
        user["UserName"]: {
            right["Action"].removeprefix("kms:"): right["Prospect"] for right in user["Rights"]["Right"]
        }
        for user in told["Users"]["User"]
    }


def statement(effect: str, *actions: str, **more: Any) -> dict[str, Any]:
    return {
        "Version": "1",
        "Statement": [{"Effect": effect, "Action": list(actions), "Resource": "*", **more}],
    }


def test_policies_of_users_and_of_the_key_are_told_together() -> None:
    service = Service()
    ram, key_id = Ram(service), service.key()
    at_home = {"Condition": {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}}}
    ram.user("all", allow("kms:*"))
    ram.user("at-home", statement("Allow", "kms:Encrypt", **at_home))
    ram.user("but-decrypt", allow("kms:*"), statement("Deny", "kms:Decrypt"))
    ram.user("doubtful", allow("kms:*"), statement("Deny", "kms:Encrypt", **at_home))
    ram.user("named")
    ram.user("nothing")
    before = rights(service, key_id)
    assert set(before["all"].values()) == {"Always"}
    assert list(before["all"]) == [
        "Encrypt", "Decrypt", "GenerateDataKey", "DisableKey", "ScheduleKeyDeletion", "SetKeyPolicy"
    ]  # fmt: skip
    assert before["at-home"]["Encrypt"] == "Conditionally"
    assert before["at-home"]["Decrypt"] == "Never"
    assert (before["but-decrypt"]["Encrypt"], before["but-decrypt"]["Decrypt"]) == ("Always", "Never")
    assert before["doubtful"]["Encrypt"] == "Conditionally"
    assert set(before["named"].values()) == set(before["nothing"].values()) == {"Never"}

    policy = {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["kms:Encrypt"],
                "Principal": {"RAM": [f"acs:ram::{service.account}:user/named"]},
                "Resource": ["*"],
            },
            {
                "Effect": "Deny",
                "Action": ["kms:DisableKey"],
                "Principal": {"RAM": [f"acs:ram::{service.account}:*"]},
                "Resource": ["*"],
            },
        ],
    }
    service.ok("SetKeyPolicy", KeyId=key_id, Policy=json.dumps(policy))
    after = rights(service, key_id)
    assert after["named"]["Encrypt"] == "Always"
    assert after["nothing"]["Encrypt"] == "Never"
    assert after["all"]["DisableKey"] == "Never"
    assert after["all"]["Encrypt"] == "Always"


def test_it_asks_about_what_the_key_is_good_for() -> None:
    service = Service()
    Ram(service).user("a")
    signing = rights(service, service.key(KeySpec="EC_P256"))["a"]
    assert list(signing)[:2] == ["AsymmetricSign", "AsymmetricVerify"]
    mac = rights(service, service.key(KeySpec="HMAC_SHA_256"))["a"]
    assert list(mac)[:2] == ["GenerateMac", "VerifyMac"]


def test_users_come_a_page_at_a_time() -> None:
    service = Service()
    key_id = service.key()
    for name in ("a", "b", "c"):
        Ram(service).ok("CreateUser", UserName=name)
    first = Console(service).ok("ListKeyUsers", KeyId=key_id, MaxItems="2")
    assert (first["IsTruncated"], first["Marker"]) == (True, "c")
    assert list(rights(service, key_id, Marker="c")) == ["c"]


def test_it_tells_of_users_only_to_whom_may_list_them_and_see_the_policy() -> None:
    service = Service()
    key_id, ram = service.key(), Ram(service)
    ram.user("sees", allow("kms:GetKeyPolicy"))
    sees = Console(service, "sees")
    assert sees.refused("ListKeyUsers", KeyId=key_id) == "NoPermission"
    ram.user("lists", allow("ram:ListUsers"))
    lists = Console(service, "lists")
    assert lists.refused("ListKeyUsers", KeyId=key_id) == "Forbidden.NoPermission"
    ram.user("both", allow("kms:GetKeyPolicy", "ram:ListUsers"))
    both = Console(service, "both")
    assert both.ok("ListKeyUsers", KeyId=key_id)["Users"]["User"]
    assert both.refused("ListKeyUsers", KeyId="nowhere") == "Forbidden.KeyNotFound"
