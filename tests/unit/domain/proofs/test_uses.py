"""What comes after what, on one chain and across chains; and what opens again what was closed."""

import json
from typing import NamedTuple

import pytest

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.operation import CATALOGUE
from keystead.domain.keys.lifecycle import Gate
from keystead.domain.products import KMS
from keystead.domain.proofs.facts import Fact
from keystead.domain.proofs.uses import CHANGING, USING, Closed, Uses

KEY = "acs:kms:cn-hangzhou:1000000000000001:key/k"
OTHER = "acs:kms:cn-hangzhou:1000000000000001:key/other"
ALIAS = "acs:kms:cn-hangzhou:1000000000000001:alias/a"


class At(NamedTuple):
    """Where a record stands: chain, sequence, revision, and place in the log."""

    chain: str
    sequence: int
    revision: int
    place: int = 0


def fact(at: At, action: str, resources: tuple[str, ...] = (KEY,), *, by: str = "LTAI", **more: str) -> Fact:
    return Fact(
        place=at.place or at.sequence,
        chain=at.chain,
        sequence=at.sequence,
        revision=at.revision,
        time=int(more.pop("time", "1000")) * 1000,
        account=more.pop("account", "1000000000000001"),
        action=action,
        access_key_id=by,
        resources=json.dumps(resources),
        parameters=json.dumps(more),
    )


def judged(*facts: Fact) -> list[str]:
    """What is found of these records, in whichever order they are given."""
    uses = Uses()
    for one in facts:
        if one.action in CHANGING:
            uses.learn(one)
    uses.settle()
    for one in facts:
        if one.action in USING:
            uses.check_key(one)
        uses.check_caller(one)
    assert uses.findings.amount == len(uses.findings.first)
    return uses.findings.first


def test_the_operations_that_use_keys_are_those_whose_gate_says_so() -> None:
    assert {one.action for one in CATALOGUE if one.product is KMS and one.gate is Gate.USE} == USING
    # Their resources are keys, and aliases of keys that are still to be made.
    assert {one.action for one in CATALOGUE if one.product is KMS} >= USING


# A use of the key, and whether it comes after DisableKey in record 5 of chain a, of revision 7.
PLACES = [
    (At("a", 4, 7), False),
    (At("a", 4, 6), False),
    (At("a", 6, 7), True),
    (At("a", 9, 9), True),
    (At("b", 1, 6), False),
    (At("b", 100, 6), False),
    (At("b", 1, 7), True),
    (At("b", 1, 8), True),
    (At("b", 1, 0, 99), False),
]


@pytest.mark.parametrize(("at", "after"), PLACES)
def test_a_use_after_a_key_was_disabled_is_found_and_named(at: At, after: bool) -> None:
    for action in ("DisableKey", "ScheduleKeyDeletion", "DeleteKeyMaterial", "ExpireKeyMaterial"):
        found = judged(fact(At("a", 5, 7), action), fact(at, "Encrypt"), fact(at, "Encrypt", (OTHER,)))
        assert bool(found) is after, (action, at)
        if found:
            use = f"record {at.sequence} of chain {at.chain}: Encrypt used {KEY} at revision {at.revision}"
            assert found == [f"{use}, after {action} in record 5 of chain a at revision 7"]


@pytest.mark.parametrize(("at", "after"), PLACES)
def test_a_call_of_an_access_key_that_is_not_active_is_found_and_named(at: At, after: bool) -> None:
    arn = "acs:ram::1000000000000001:accesskey/LTAI"
    for action, more in (("UpdateAccessKey", {"Status": "Inactive"}), ("DeleteAccessKey", {})):
        change = fact(At("a", 5, 7), action, (arn,), by="LTAIADMIN", **more)
        found = judged(
            change, fact(at, "ListKeys"), fact(at, "ListKeys", by="LTAIB"), fact(at, "ListKeys", by="")
        )
        assert bool(found) is after, (action, at)
        if found:
            assert (
                f"ListKeys came by AccessKey LTAI at revision {at.revision}, after {action} in record 5"
                in found[0]
            )


def test_a_call_of_an_account_that_is_disabled_is_found_and_named() -> None:
    arn = "acs:ram::1000000000000002:root"

    def updated(sequence: int, **more: str) -> Fact:
        return fact(At("a", sequence, sequence), "UpdateAccount", (arn,), **more)

    changes = [
        updated(1, NewAccountName="x"),
        updated(3, Status="Disabled"),
        updated(5, NewAccountName="y"),
        updated(7, Status="Active"),
    ]
    for sequence, found in ((2, 0), (4, 1), (6, 1), (8, 0)):
        call = fact(At("a", sequence, sequence), "ListKeys", account="1000000000000002")
        other = fact(At("a", sequence, sequence), "ListKeys")
        told = judged(*changes, call, other)
        assert len(told) == found
        if found:
            assert "ListKeys came from account 1000000000000002 at revision" in told[0]


def test_what_deactivates_itself_was_active_then() -> None:
    arn = "acs:ram::1000000000000001:accesskey/LTAI"
    own = fact(At("a", 5, 7), "UpdateAccessKey", (arn,), Status="Inactive")
    assert judged(own) == []


def between(*changes: tuple[int, str], by: str = "a") -> list[int]:
    """The revisions at which the key could not be used, on another chain, after these changes on chain `by`."""
    made = [fact(At(by, revision, revision), action) for revision, action in changes]
    return [at for at in range(1, 20) if judged(*made, fact(At("z", 1, at), "Decrypt"))]


def test_a_key_is_closed_until_it_is_enabled_again() -> None:
    assert between((3, "DisableKey"), (6, "EnableKey"), (9, "DisableKey"), (11, "EnableKey")) == [
        3,
        4,
        5,
        9,
        10,
    ]
    assert between((3, "ScheduleKeyDeletion"), (6, "CancelKeyDeletion")) == [3, 4, 5]
    assert between((3, "DisableKey"), (5, "ScheduleKeyDeletion"), (8, "CancelKeyDeletion")) == [3, 4, 5, 6, 7]
    assert between((3, "DisableKey"), (5, "DisableKey"), (8, "EnableKey")) == [3, 4, 5, 6, 7]
    assert between((2, "EnableKey"), (3, "ImportKeyMaterial")) == []
    # What no server of ours does opens nothing.
    assert between((3, "ScheduleKeyDeletion"), (5, "EnableKey"), (7, "CancelKeyDeletion")) == [3, 4, 5, 6]


def test_material_opens_what_lacks_it_and_not_what_is_disabled() -> None:
    assert between((3, "DeleteKeyMaterial"), (6, "ImportKeyMaterial")) == [3, 4, 5]
    assert between((3, "DisableKey"), (5, "ImportKeyMaterial"), (7, "EnableKey")) == [3, 4, 5, 6]
    assert between((3, "DisableKey"), (5, "DeleteKeyMaterial"), (7, "ImportKeyMaterial")) == [3, 4, 5, 6]
    deletion = ((3, "ScheduleKeyDeletion"), (4, "DeleteKeyMaterial"), (6, "CancelKeyDeletion"))
    assert between(*deletion, (8, "ImportKeyMaterial")) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(("expires", "closed"), [("2000", False), ("3000", True), ("", True), ("soon", True)])
def test_material_that_was_over_before_it_was_removed_is_taken_into_account(
    expires: str, closed: bool
) -> None:
    first = fact(At("a", 1, 1), "ImportKeyMaterial", KeyMaterialExpireUnix=expires)
    disabled = fact(At("a", 2, 2), "DisableKey")
    again = fact(At("a", 3, 3), "ImportKeyMaterial", time="2500")
    assert bool(judged(first, disabled, again, fact(At("a", 4, 3), "Encrypt"))) is closed


def test_changes_of_several_chains_are_in_the_order_of_their_revisions() -> None:
    changes = [
        fact(At("b", 1, 8), "EnableKey"),
        fact(At("a", 9, 5), "DisableKey"),
        fact(At("c", 4, 11), "ScheduleKeyDeletion"),
        fact(At("a", 30, 20), "CancelKeyDeletion"),
    ]
    for revision in range(1, 25):
        closed = 5 <= revision < 8 or 11 <= revision < 20
        assert bool(judged(*changes, fact(At("d", 1, revision), "Encrypt"))) is closed


def test_records_of_one_batch_are_in_the_order_of_their_chain() -> None:
    """One batch of chain a makes revision 7: it enables, uses, and disables; another server sees what is left of that."""
    batch = [
        fact(At("a", 2, 3), "DisableKey"),
        fact(At("a", 5, 7), "EnableKey"),
        fact(At("a", 6, 7), "Encrypt"),
        fact(At("a", 7, 7), "DisableKey"),
    ]
    assert judged(*batch) == []
    # To disable what is disabled changes nothing, and is of the revision that it met.
    idle = fact(At("b", 1, 7, 20), "DisableKey")
    assert judged(*batch, idle) == []
    found = judged(*batch, idle, fact(At("b", 2, 7, 21), "Encrypt"))
    assert len(found) == 1
    assert "after DisableKey in record 7 of chain a" in found[0]


def test_without_revisions_the_log_is_the_order() -> None:
    disabled, enabled = fact(At("a", 3, 0, 3), "DisableKey"), fact(At("b", 1, 0, 10), "EnableKey")
    for at, closed in (
        (At("a", 2, 0, 2), False),
        (At("a", 4, 0, 4), True),
        (At("b", 2, 0, 11), False),
        (At("b", 2, 9, 11), False),  # of the format that came later
        (At("c", 1, 0, 9), True),
    ):
        found = judged(disabled, enabled, fact(at, "Encrypt"))
        assert bool(found) is closed, at
        if found:
            assert found[0].endswith(f"Encrypt used {KEY}, after DisableKey in record 3 of chain a")
    assert judged(disabled, fact(At("b", 2, 9, 11), "Encrypt")) != []


def test_each_key_of_a_call_is_looked_at_and_an_alias_is_none() -> None:
    disabled = [fact(At("a", 1, 1), "DisableKey", (key,)) for key in (KEY, OTHER)]
    assert len(judged(*disabled, fact(At("a", 2, 1), "ReEncrypt", (KEY, OTHER)))) == 2
    assert judged(*disabled, fact(At("a", 2, 1), "Encrypt", (ALIAS,))) == []
    assert judged(fact(At("a", 1, 1), "DisableKey", (ALIAS,)), fact(At("a", 2, 1), "Encrypt", (ALIAS,))) == []


def test_only_what_was_ever_closed_is_kept() -> None:
    uses = Uses()
    for number in range(10):
        uses.learn(fact(At("a", number, number), "EnableKey", (f"{KEY}{number}",)))
    uses.learn(fact(At("a", 20, 20), "UpdateAccessKey", ("acs:ram::1:accesskey/A",), Status="Active"))
    assert uses.settle() == Closed()
    uses.learn(fact(At("a", 21, 21), "DisableKey"))
    assert uses.settle() == Closed(keys=1)
