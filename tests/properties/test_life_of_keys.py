"""A state machine: keys of every kind, aliases, ciphertexts and signatures behave as a simple model says, whatever the order of
calls, with restarts on the same data directory in between."""

import base64
import json
import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from keystead.api.scheduled import delete_due, expire_due, rotate_due
from keystead.crypto.primitives import sm2
from keystead.domain.keys.key import DAY
from keystead.store.reader import open_reader
from tests.databases import MEMORY, Databases
from tests.harness import Members, OnDisk, base64_of

NAMES = some.sampled_from(["alias/a", "alias/b", "alias/c"])
KINDS = {
    "symmetric": {},
    "external": {"Origin": "EXTERNAL"},
    "signer": {"KeySpec": "EC_P256"},
    "pair": {"KeySpec": "EC_SM2"},
    "coder": {"KeySpec": "HMAC_SHA_256"},
}
USE = {
    "Enabled": "",
    "Disabled": "Rejected.Disabled",
    "PendingDeletion": "Rejected.PendingDeletion",
    "PendingImport": "Rejected.PendingImport",
}
FAILED = "Rejected.StateModifiedFailed"
UNSUPPORTED = "Rejected.UnsupportedOperation"
NOT_FOUND = "Forbidden.KeyNotFound"
DIGEST = base64_of(bytes(32))
OTHER_DIGEST = base64_of(b"x" * 32)
CONTEXTS = some.sampled_from(["", "{}", '{"a": "1"}', '{"b": "2", "a": "1"}'])
SEALING = ("symmetric", "external")
ROTATING = ("symmetric", "signer", "pair")
VERSIONS = 50  # of a key pair
STEPS = 50_000


class Blob(NamedTuple):
    """A ciphertext, and what Decrypt must say of it."""

    key_id: str
    version_id: str
    context: str
    text: str
    sealed: str


class Life(RuleBasedStateMachine):
    keys = Bundle("keys")
    blobs = Bundle("blobs")
    signatures = Bundle("signatures")
    sealed_to_pairs = Bundle("sealed_to_pairs")
    databases: Databases | None = None  # None: over SQLite
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.url = "" if self.databases is None else self.databases.take()
        self.service = OnDisk(self.folder / "data", self.url)
        self.kinds: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.absent: set[str] = set()
        self.due: dict[str, float] = {}
        self.expires: dict[str, float] = {}
        self.aliases: dict[str, str] = {}
        self.versions: dict[str, list[str]] = {}  # ids, the newest first
        self.rotated: dict[str, float] = {}
        self.intervals: dict[str, int] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.protected: set[str] = set()
        self.materials: dict[str, bytes] = {}
        self.descriptions: dict[str, str] = {}
        self.pems: dict[str, str] = {}

    def code(self, action: str, **parameters: str) -> str:
        return str(self.service.call(action, **parameters)[1].get("Code", ""))

    def used(self, key_id: str, *kinds: str) -> str:
        """The code of an operation that uses a key of such kinds."""
        state = self.states.get(key_id)
        if state is None:
            return NOT_FOUND
        return USE[state] or ("" if self.kinds[key_id] in kinds else UNSUPPORTED)

    def listed_versions(self, key_id: str) -> list[str]:
        listed = self.service.ok("ListKeyVersions", KeyId=key_id, PageSize="100")
        assert listed["TotalCount"] == len(listed["KeyVersions"]["KeyVersion"])
        return [row["KeyVersionId"] for row in listed["KeyVersions"]["KeyVersion"]]

    def edited(self, key_id: str) -> str:
        """The code of an operation that changes what is around a key."""
        return {None: NOT_FOUND, "PendingDeletion": USE["PendingDeletion"]}.get(self.states.get(key_id), "")

    @rule(target=keys, kind=some.sampled_from(sorted(KINDS)))
    def create(self, kind: str) -> str:
        key_id = self.service.key(**KINDS[kind])
        self.kinds[key_id] = kind
        self.states[key_id] = "PendingImport" if kind == "external" else "Enabled"
        if kind == "external":
            self.absent.add(key_id)
        self.versions[key_id] = self.listed_versions(key_id)
        assert len(self.versions[key_id]) == 1
        self.rotated[key_id] = int(self.service.clock.now())
        self.tags[key_id] = {}
        self.descriptions[key_id] = ""
        return key_id

    @rule()
    def restart(self) -> None:
        self.service.store.close()
        self.service.start()

    @rule(key_id=keys, action=some.sampled_from(["EnableKey", "DisableKey"]))
    def toggle(self, key_id: str, action: str) -> None:
        code = self.code(action, KeyId=key_id)
        state = self.states.get(key_id)
        if state in ("Enabled", "Disabled"):
            assert code == ""
            self.states[key_id] = "Enabled" if action == "EnableKey" else "Disabled"
        else:
            assert code == (FAILED if state else NOT_FOUND)

    @rule(key_id=keys, days=some.integers(7, 20))
    def schedule(self, key_id: str, days: int) -> None:
        code = self.code("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=str(days))
        state = self.states.get(key_id)
        if state not in (None, "PendingDeletion") and key_id in self.protected:
            assert code == "Rejected.DeletionProtection"
        elif state not in (None, "PendingDeletion"):
            assert code == ""
            self.states[key_id] = "PendingDeletion"
            self.due[key_id] = int(self.service.clock.now()) + days * DAY
        else:
            assert code == (FAILED if state else NOT_FOUND)

    @rule(key_id=keys)
    def cancel(self, key_id: str) -> None:
        code = self.code("CancelKeyDeletion", KeyId=key_id)
        state = self.states.get(key_id)
        if state == "PendingDeletion":
            assert code == ""
            self.states[key_id] = "PendingImport" if key_id in self.absent else "Enabled"
            del self.due[key_id]
        else:
            assert code == (FAILED if state else NOT_FOUND)

    @rule(days=some.integers(1, 5))
    def time_passes(self, days: int) -> None:
        service = self.service
        service.clock.advance(days * DAY)
        service.store.begin()
        batch = service.pipeline.open_batch()
        delete_due(service.pipeline, batch)
        expire_due(service.pipeline, batch)
        rotate_due(service.pipeline, batch)
        batch.write()
        service.store.commit()
        now = service.clock.now()
        for key_id in [one for one, due in self.due.items() if due <= now]:
            del self.due[key_id], self.states[key_id]
            self.expires.pop(key_id, None)
            self.absent.discard(key_id)
            self.intervals.pop(key_id, None)
            self.aliases = {name: owner for name, owner in self.aliases.items() if owner != key_id}
        for key_id in [one for one, due in self.expires.items() if due <= now]:
            self.forget_material(key_id)
        for key_id, days in self.intervals.items():
            if self.states[key_id] == "Enabled" and self.rotated[key_id] + days * DAY <= now:
                self.take_new_version(key_id)

    def take_new_version(self, key_id: str) -> None:
        found = self.listed_versions(key_id)
        assert found[1:] == self.versions[key_id]
        assert found[0] not in self.versions[key_id]
        self.versions[key_id] = found
        self.rotated[key_id] = int(self.service.clock.now())

    @rule(key_id=keys, days=some.sampled_from([0, 7, 8, 30]))
    def rotate_by_itself(self, key_id: str, days: int) -> None:
        code = self.code(
            "UpdateRotationPolicy",
            KeyId=key_id,
            EnableAutomaticRotation="true" if days else "false",
            RotationInterval=f"{days}d",
        )
        assert code == self.used(key_id, "symmetric")
        if code == "":
            self.intervals.pop(key_id, None)
            if days:
                self.intervals[key_id] = days

    def forget_material(self, key_id: str) -> None:
        self.expires.pop(key_id, None)
        self.absent.add(key_id)
        if self.states[key_id] != "PendingDeletion":
            self.states[key_id] = "PendingImport"

    @rule(key_id=keys, same=some.booleans(), days=some.sampled_from([0, 3, 30]))
    def bring(self, key_id: str, same: bool, days: int) -> None:
        wanted = {"WrappingKeySpec": "EC_SM2", "WrappingAlgorithm": "SM2PKE"}
        status, given = self.service.call("GetParametersForImport", KeyId=key_id, **wanted)
        if self.kinds[key_id] != "external" or key_id not in self.states:
            assert given["Code"] == ("Unsupported.Origin" if key_id in self.states else NOT_FOUND)
            return
        assert status == 200
        first = self.materials.get(key_id)
        material = first or key_id.encode()[:32]
        if not same:
            material = bytes(31) if first is None else bytes(32)
        sealed = sm2.encrypt(sm2.load_public(base64.b64decode(given["PublicKey"])), material)
        expires = int(self.service.clock.now()) + days * DAY if days else 0
        code = self.code(
            "ImportKeyMaterial",
            KeyId=key_id,
            EncryptedKeyMaterial=base64_of(sealed),
            ImportToken=given["ImportToken"],
            KeyMaterialExpireUnix=str(expires),
        )
        if self.states[key_id] == "PendingDeletion":
            assert code == FAILED
        elif not same:
            assert code == "InvalidKeyMaterial"
        else:
            assert code == ""
            self.materials[key_id] = material
            self.absent.discard(key_id)
            self.expires.pop(key_id, None)
            if days:
                self.expires[key_id] = expires
            if self.states[key_id] == "PendingImport":
                self.states[key_id] = "Enabled"

    @rule(key_id=keys)
    def delete_material(self, key_id: str) -> None:
        code = self.code("DeleteKeyMaterial", KeyId=key_id)
        if key_id not in self.states:
            assert code == NOT_FOUND
        elif self.kinds[key_id] != "external":
            assert code == "Unsupported.Origin"
        else:
            assert code == ""
            self.forget_material(key_id)

    @rule(key_id=keys, name=NAMES)
    def name_it(self, key_id: str, name: str) -> None:
        code = self.code("CreateAlias", KeyId=key_id, AliasName=name)
        state = self.states.get(key_id)
        if state is None:
            assert code == NOT_FOUND
        elif state == "PendingDeletion":
            assert code == FAILED
        elif name in self.aliases:
            assert code == "AliasAlreadyExists"
        else:
            assert code == ""
            self.aliases[name] = key_id

    @rule(key_id=keys, name=NAMES)
    def move_the_name(self, key_id: str, name: str) -> None:
        code = self.code("UpdateAlias", KeyId=key_id, AliasName=name)
        state = self.states.get(key_id)
        if state is None:
            assert code == NOT_FOUND
        elif name not in self.aliases:
            assert code == "Forbidden.AliasNotFound"
        elif state == "PendingDeletion":
            assert code == "Rejected.PendingDeletion"
        else:
            assert code == ""
            self.aliases[name] = key_id

    @rule(name=NAMES)
    def unname(self, name: str) -> None:
        code = self.code("DeleteAlias", AliasName=name)
        assert code == ("" if name in self.aliases else "Forbidden.AliasNotFound")
        self.aliases.pop(name, None)

    @rule(target=blobs, key_id=keys, text=some.sampled_from(["a", "é", "text\n"]), context=CONTEXTS)
    def encrypt(self, key_id: str, text: str, context: str) -> Blob | MultipleResults[Blob]:
        asked = {"KeyId": key_id, "Plaintext": text, "EncryptionContext": context}
        _, members = self.service.call("Encrypt", **asked)
        if self.refused_unless_sealing(key_id, members):
            return multiple()
        return Blob(key_id, self.versions[key_id][0], context, text, members["CiphertextBlob"])

    @rule(target=blobs, key_id=keys, context=CONTEXTS, plain=some.booleans())
    def make_data_key(self, key_id: str, context: str, plain: bool) -> Blob | MultipleResults[Blob]:
        action = "GenerateDataKey" if plain else "GenerateDataKeyWithoutPlaintext"
        _, members = self.service.call(action, KeyId=key_id, EncryptionContext=context)
        if self.refused_unless_sealing(key_id, members):
            return multiple()
        opened = {"CiphertextBlob": members["CiphertextBlob"], "EncryptionContext": context}
        text = self.service.ok("Decrypt", **opened)["Plaintext"]
        assert text == members.get("Plaintext", text)
        return Blob(key_id, self.versions[key_id][0], context, text, members["CiphertextBlob"])

    def refused_unless_sealing(self, key_id: str, members: Members) -> bool:
        unfit = "UnsupportedOperation"
        state = self.states.get(key_id)
        expected = NOT_FOUND if state is None else USE[state]
        if expected == "" and self.kinds[key_id] not in SEALING:
            expected = unfit
        assert members.get("Code", "") == expected
        assert expected or members["KeyVersionId"] == self.versions[key_id][0]
        return expected != ""

    @rule(key_id=keys)
    def rotate(self, key_id: str) -> None:
        expected = self.used(key_id, *ROTATING)
        full = self.kinds[key_id] in ("signer", "pair") and len(self.versions[key_id]) == VERSIONS
        code = self.code("CreateKeyVersion", KeyId=key_id)
        assert code == (expected or ("Rejected.LimitExceeded" if full else ""))
        if code == "":
            self.take_new_version(key_id)

    @rule(target=blobs, blob=blobs, key_id=keys, named=some.booleans())
    def re_encrypt(self, blob: Blob, key_id: str, named: bool) -> Blob | MultipleResults[Blob]:
        asked = {"CiphertextBlob": blob.sealed, "DestinationKeyId": key_id}
        if named:
            asked |= {"SourceKeyId": blob.key_id, "SourceKeyVersionId": blob.version_id}
        _, members = self.service.call("ReEncrypt", **asked, SourceEncryptionContext=blob.context)
        source, target = self.states.get(blob.key_id), self.states.get(key_id)
        if target is None or (source is None and named):
            expected = NOT_FOUND
        elif source is None:
            expected = "InvalidParameter"
        else:
            unfit = "" if self.kinds[key_id] in SEALING else "UnsupportedOperation"
            expected = USE[target] or USE[source] or unfit
        assert members.get("Code", "") == expected
        if expected:
            return multiple()
        return Blob(key_id, self.versions[key_id][0], "", blob.text, members["CiphertextBlob"])

    @rule(name=NAMES)
    def encrypt_by_name(self, name: str) -> None:
        status, members = self.service.call("Encrypt", KeyId=name, Plaintext="x")
        owner = self.aliases.get(name)
        if owner is None:
            assert members["Code"] == "Forbidden.AliasNotFound"
        else:
            self.refused_unless_sealing(owner, members)
        assert status != 200 or members["KeyId"] == owner

    @rule(blob=blobs, right=some.booleans())
    def decrypt(self, blob: Blob, right: bool) -> None:
        context = blob.context if right else '{"wrong": "1"}'
        asked = {"CiphertextBlob": blob.sealed, "EncryptionContext": context}
        _, members = self.service.call("Decrypt", **asked)
        state = self.states.get(blob.key_id)
        if state is None or (USE[state] == "" and not right):
            assert members["Code"] == "InvalidParameter"
        elif USE[state]:
            assert members["Code"] == USE[state]
        else:
            found = (members["KeyId"], members["KeyVersionId"], members["Plaintext"])
            assert found == (blob.key_id, blob.version_id, blob.text)

    @rule(key_id=keys)
    def try_only(self, key_id: str) -> None:
        """A dry run changes nothing and tells what would have happened."""
        state = self.states.get(key_id)
        good = state == "Enabled" and self.kinds[key_id] in SEALING
        code = self.code("Encrypt", KeyId=key_id, Plaintext="x", DryRun="true")
        assert code == ("DryRunOperationError" if good else "ValidationError")

    def pair_of(self, key_id: str, number: int) -> Members:
        known = self.versions[key_id]
        return {"KeyId": key_id, "KeyVersionId": known[number % len(known)]}

    @rule(target=signatures, key_id=keys, number=some.integers(0, 3))
    def sign(self, key_id: str, number: int) -> tuple[Members, str] | MultipleResults[tuple[Members, str]]:
        pair = self.pair_of(key_id, number)
        _, members = self.service.call("AsymmetricSign", Algorithm="ECDSA_SHA_256", Digest=DIGEST, **pair)
        assert members.get("Code", "") == self.used(key_id, "signer")
        return (pair, members["Value"]) if "Value" in members else multiple()

    @rule(signature=signatures, digest=some.sampled_from([DIGEST, OTHER_DIGEST]), number=some.integers(0, 3))
    def verify(self, signature: tuple[Members, str], digest: str, number: int) -> None:
        made, value = signature
        pair = self.pair_of(made["KeyId"], number)
        asked = {**pair, "Algorithm": "ECDSA_SHA_256", "Digest": digest, "Value": value}
        _, members = self.service.call("AsymmetricVerify", **asked)
        assert members.get("Code", "") == self.used(pair["KeyId"], "signer")
        assert members.get("Code") or members["Value"] is ((pair, digest) == (made, DIGEST))

    @rule(target=sealed_to_pairs, key_id=keys, number=some.integers(0, 3))
    def seal_to_pair(
        self, key_id: str, number: int
    ) -> tuple[Members, str] | MultipleResults[tuple[Members, str]]:
        pair = self.pair_of(key_id, number)
        _, members = self.service.call("AsymmetricEncrypt", Algorithm="SM2PKE", Plaintext="AAEC", **pair)
        assert members.get("Code", "") == self.used(key_id, "pair")
        return (pair, members["CiphertextBlob"]) if "CiphertextBlob" in members else multiple()

    @rule(sealed=sealed_to_pairs, key_id=keys, number=some.integers(0, 3))
    def open_with_pair(self, sealed: tuple[Members, str], key_id: str, number: int) -> None:
        pair, ciphertext = sealed
        asked = {**self.pair_of(pair["KeyId"], number), "Algorithm": "SM2PKE"}
        _, members = self.service.call("AsymmetricDecrypt", CiphertextBlob=ciphertext, **asked)
        expected = self.used(pair["KeyId"], "pair")
        if expected == "" and asked["KeyVersionId"] != pair["KeyVersionId"]:
            expected = "InvalidParameter"
        assert (members.get("Code", ""), members.get("Plaintext", "AAEC")) == (expected, "AAEC")
        if self.states.get(key_id) == "Enabled" and self.kinds[key_id] in SEALING:
            source = {"SourceKeyId": pair["KeyId"], "SourceKeyVersionId": pair["KeyVersionId"]}
            code = self.code(
                "ReEncrypt",
                CiphertextBlob=ciphertext,
                DestinationKeyId=key_id,
                SourceEncryptionAlgorithm="SM2PKE",
                **source,
            )
            assert code == self.used(pair["KeyId"], "pair")

    @rule(key_id=keys, number=some.integers(0, 3))
    def show_public_key(self, key_id: str, number: int) -> None:
        pair = self.pair_of(key_id, number)
        _, members = self.service.call("GetPublicKey", **pair)
        assert members.get("Code", "") == self.used(key_id, "signer", "pair")
        if "PublicKey" in members:
            assert self.pems.setdefault(pair["KeyVersionId"], members["PublicKey"]) == members["PublicKey"]
            assert len(set(self.pems.values())) == len(self.pems)

    @rule(key_id=keys, name=some.sampled_from(["a", "b"]), value=some.sampled_from(["", "1"]))
    def tag(self, key_id: str, name: str, value: str) -> None:
        code = self.code("TagResource", KeyId=key_id, Tags=json.dumps([{"TagKey": name, "TagValue": value}]))
        assert code == self.edited(key_id)
        if code == "":
            self.tags[key_id][name] = value

    @rule(key_id=keys, name=some.sampled_from(["a", "b"]))
    def untag(self, key_id: str, name: str) -> None:
        code = self.code("UntagResource", KeyId=key_id, TagKeys=json.dumps([name]))
        assert code == self.edited(key_id)
        if code == "":
            self.tags[key_id].pop(name, None)

    @rule(key_id=keys, on=some.booleans())
    def protect(self, key_id: str, on: bool) -> None:
        code = self.code("SetDeletionProtection", KeyId=key_id, EnableDeletionProtection=str(on))
        assert code == self.edited(key_id)
        if code == "":
            (self.protected.add if on else self.protected.discard)(key_id)

    @rule(key_id=keys, text=some.sampled_from(["", "one", "two"]))
    def describe(self, key_id: str, text: str) -> None:
        code = self.code("UpdateKeyDescription", KeyId=key_id, Description=text)
        assert code == self.edited(key_id)
        if code == "":
            self.descriptions[key_id] = text

    @rule(key_id=keys, message=some.sampled_from(["AAEC", "AA=="]))
    def make_code(self, key_id: str, message: str) -> None:
        coding = {"KeyId": key_id, "Algorithm": "HMAC_SHA_256"}
        _, members = self.service.call("GenerateMac", Message=message, **coding)
        assert members.get("Code", "") == self.used(key_id, "coder")
        if "Mac" in members:
            checked = self.service.ok("VerifyMac", Mac=members["Mac"], Message="AAEC", **coding)
            assert checked["Value"] is (message == "AAEC")

    @invariant()
    def listings_agree(self) -> None:
        Life.steps += 1
        if Life.steps % 5 == 0:
            keys = self.service.ok("ListKeys", PageSize="100")
            assert [row["KeyId"] for row in keys["Keys"]["Key"]] == list(self.states)[:100]
        if Life.steps % 20 == 0:
            for key_id, state in self.states.items():
                shown = self.service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]
                assert (shown["KeyState"], shown["Description"]) == (state, self.descriptions[key_id])
                assert shown["DeletionProtection"] == ("Enabled" if key_id in self.protected else "Disabled")
                rotation = "Enabled" if state == "Enabled" else "Suspended"
                assert shown["AutomaticRotation"] == (rotation if key_id in self.intervals else "Disabled")
                assert self.listed_versions(key_id) == self.versions[key_id]
                tags = self.service.ok("ListResourceTags", KeyId=key_id)["Tags"]["Tag"]
                assert {row["TagKey"]: row["TagValue"] for row in tags} == self.tags[key_id]
            aliases = self.service.ok("ListAliases", PageSize="100")
            found = {row["AliasName"]: row["KeyId"] for row in aliases["Aliases"]["Alias"]}
            assert found == self.aliases

    def teardown(self) -> None:
        self.service.store.close()
        with closing(open_reader(self.service.place)) as reader:
            assert not [verdict.bad for verdict in reader.verify() if verdict.bad]
        shutil.rmtree(self.folder)
        if self.databases is not None:
            self.databases.give_back(self.url)


def test_life() -> None:
    live(Life, 580, STEPS)


def test_life_in_postgresql(databases: Databases) -> None:
    class Shared(Life):
        pass

    Shared.databases = databases
    whole = os.environ.get("TEST_EVIDENCE") == "1"
    live(Shared, 580 if whole else 35, STEPS if whole else 3000)


def live(life: type[Life], examples: int, least: int) -> None:
    Life.steps = 0
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=100,
            derandomize=True,
            report_multiple_bugs=False,
            deadline=None,
            suppress_health_check=(
                HealthCheck.too_slow,
                HealthCheck.data_too_large,
                HealthCheck.filter_too_much,
            ),
        ),
    )
    print(f"{Life.steps} steps")
    assert Life.steps >= least
