"""The vendor's table of key states and operations, cell by cell."""

import csv
from pathlib import Path

import pytest

from tests.harness import Service

with (Path(__file__).parents[1] / "vectors" / "key_states.tsv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t"))
CELLS = [(row["action"], state, row[state]) for row in ROWS for state in row if state != "action"]


@pytest.mark.parametrize(("action", "state", "expected"), CELLS)
def test_cell(action: str, state: str, expected: str) -> None:
    service = Service()
    key_id, other = service.key(), service.key()
    service.ok("CreateAlias", AliasName="alias/mine", KeyId=key_id)
    service.ok("CreateAlias", AliasName="alias/other", KeyId=other)
    blob = service.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"]
    if state == "Disabled":
        service.ok("DisableKey", KeyId=key_id)
    if state == "PendingDeletion":
        service.ok("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays="7")
    parameters = {
        "CreateKey": {},
        "ListKeys": {},
        "ListAliases": {},
        "Encrypt": {"KeyId": key_id, "Plaintext": "x"},
        "Decrypt": {"CiphertextBlob": blob},
        "ScheduleKeyDeletion": {"KeyId": key_id, "PendingWindowInDays": "7"},
        "CreateAlias": {"KeyId": key_id, "AliasName": "alias/new"},
        "DeleteAlias": {"AliasName": "alias/mine"},
        "UpdateAlias": {"KeyId": key_id, "AliasName": "alias/other"},
    }.get(action, {"KeyId": key_id})
    status, members = service.call(action, **parameters)
    assert (status, members.get("Code", "Success")) == (200 if expected == "Success" else 409, expected)


def test_update_alias_looks_at_the_target_only() -> None:
    service = Service()
    doomed, target = service.key(), service.key()
    service.ok("CreateAlias", AliasName="alias/a", KeyId=doomed)
    service.ok("ScheduleKeyDeletion", KeyId=doomed, PendingWindowInDays="7")
    service.ok("UpdateAlias", AliasName="alias/a", KeyId=target)
