"""A state machine: keys of every kind, aliases, ciphertexts and signatures behave as a simple model says, whatever the order of
calls, with restarts on the same data directory in between."""

import base64
import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from keystead.api.batch import Batch
from keystead.api.pipeline import Pipeline
from keystead.api.service import delete_due, expire_due
from keystead.clock import FixedClock
from keystead.crypto import sm2
from keystead.domain.keys import DAY
from keystead.entropy import SeededEntropy
from keystead.server.directory import DataDirectory
from keystead.server.world import open_directory, read_access_key
from keystead.store.reader import open_reader
from tests.harness import Members, Service, base64_of, version_of

NAMES = some.sampled_from(["alias/a", "alias/b", "alias/c"])
KINDS = {
    "symmetric": {},
    "external": {"Origin": "EXTERNAL"},
    "signer": {"KeySpec": "EC_P256"},
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
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
STEPS = 50_000


class OnDisk(Service):
    """A service over SQLite, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock(1_767_323_045.0)
        self.entropy = SeededEntropy(b"life")
        self.directory = DataDirectory(str(folder))
        self.directory.prepare()
        self.region = "cn-hangzhou"
        self._nonce = 0
        self.start()

    def start(self) -> None:
        self.world = open_directory(self.directory, self.clock, self.entropy)
        self.store = self.world.store  # type: ignore[assignment]
        self.account = self.world.account
        self.access_key = read_access_key(self.directory.root_access_key)
        self.pipeline = Pipeline(
            store=self.store,
            vault=self.world.vault,
            clock=self.clock,
            entropy=self.entropy,
            region=self.region,
            account=self.account,
        )


class Life(RuleBasedStateMachine):
    keys = Bundle("keys")
    blobs = Bundle("blobs")
    signatures = Bundle("signatures")
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.service = OnDisk(self.folder / "data")
        self.kinds: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.absent: set[str] = set()
        self.due: dict[str, float] = {}
        self.expires: dict[str, float] = {}
        self.aliases: dict[str, str] = {}

    def code(self, action: str, **parameters: str) -> str:
        return str(self.service.call(action, **parameters)[1].get("Code", ""))

    def used(self, key_id: str, *kinds: str) -> str:
        """The code of an operation that uses a key of such kinds."""
        state = self.states.get(key_id)
        if state is None:
            return NOT_FOUND
        return USE[state] or ("" if self.kinds[key_id] in kinds else UNSUPPORTED)

    @rule(target=keys, kind=some.sampled_from(sorted(KINDS)))
    def create(self, kind: str) -> str:
        key_id = self.service.key(**KINDS[kind])
        self.kinds[key_id] = kind
        self.states[key_id] = "PendingImport" if kind == "external" else "Enabled"
        if kind == "external":
            self.absent.add(key_id)
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
        if state not in (None, "PendingDeletion"):
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
        batch = Batch(service.store)
        delete_due(service.pipeline, batch)
        expire_due(service.pipeline, batch)
        batch.write()
        service.store.commit()
        now = service.clock.now()
        for key_id in [one for one, due in self.due.items() if due <= now]:
            del self.due[key_id], self.states[key_id]
            self.expires.pop(key_id, None)
            self.absent.discard(key_id)
            self.aliases = {name: owner for name, owner in self.aliases.items() if owner != key_id}
        for key_id in [one for one, due in self.expires.items() if due <= now]:
            self.forget_material(key_id)

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
        material = key_id.encode()[:32] if same else bytes(31)
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

    @rule(target=blobs, key_id=keys, text=some.sampled_from(["a", "é", "text\n"]))
    def encrypt(self, key_id: str, text: str) -> tuple[str, str, str]:
        _, members = self.service.call("Encrypt", KeyId=key_id, Plaintext=text)
        assert members.get("Code", "") == self.used(key_id, "symmetric", "external")
        return key_id, text, members.get("CiphertextBlob", "")

    @rule(key_id=keys)
    def rotate(self, key_id: str) -> None:
        expected = self.used(key_id, "symmetric", "signer")
        code = self.code("CreateKeyVersion", KeyId=key_id)
        assert code == expected or (code, self.kinds[key_id]) == ("Rejected.LimitExceeded", "signer")

    @rule(target=blobs, blob=blobs, key_id=keys)
    def re_encrypt(self, blob: tuple[str, str, str], key_id: str) -> tuple[str, str, str]:
        source, text, sealed = blob
        if not sealed:
            return blob
        status, members = self.service.call("ReEncrypt", CiphertextBlob=sealed, DestinationKeyId=key_id)
        ready = self.used(key_id, "symmetric", "external") == "" and self.states.get(source) == "Enabled"
        assert (status == 200) == ready
        return key_id, text, members.get("CiphertextBlob", "")

    @rule(name=NAMES)
    def encrypt_by_name(self, name: str) -> None:
        status, members = self.service.call("Encrypt", KeyId=name, Plaintext="x")
        owner = self.aliases.get(name)
        expected = self.used(owner, "symmetric", "external") if owner else "Forbidden.AliasNotFound"
        assert members.get("Code", "") == expected
        assert status != 200 or members["KeyId"] == owner

    @rule(blob=blobs)
    def decrypt(self, blob: tuple[str, str, str]) -> None:
        key_id, text, sealed = blob
        if not sealed:
            return
        _, members = self.service.call("Decrypt", CiphertextBlob=sealed)
        state = self.states.get(key_id)
        assert members.get("Code", "") == (USE[state] if state else "InvalidParameter")
        assert members.get("Plaintext", text) == text

    @rule(target=signatures, key_id=keys)
    def sign(self, key_id: str) -> tuple[Members, str]:
        if key_id not in self.states:
            return {}, ""
        pair = version_of(self.service, key_id)
        _, members = self.service.call("AsymmetricSign", Algorithm="ECDSA_SHA_256", Digest=DIGEST, **pair)
        assert members.get("Code", "") == self.used(key_id, "signer")
        return pair, members.get("Value", "")

    @rule(signature=signatures)
    def verify(self, signature: tuple[Members, str]) -> None:
        pair, value = signature
        if not value:
            return
        asked = {**pair, "Algorithm": "ECDSA_SHA_256", "Digest": DIGEST, "Value": value}
        _, members = self.service.call("AsymmetricVerify", **asked)
        assert members.get("Code", "") == self.used(pair["KeyId"], "signer")
        assert members.get("Code") or members["Value"] is True

    @rule(target=signatures, key_id=keys)
    def make_code(self, key_id: str) -> tuple[Members, str]:
        coding = {"KeyId": key_id, "Algorithm": "HMAC_SHA_256", "Message": "AAEC"}
        _, members = self.service.call("GenerateMac", **coding)
        assert members.get("Code", "") == self.used(key_id, "coder")
        if "Mac" in members:
            assert self.service.ok("VerifyMac", Mac=members["Mac"], **coding)["Value"] is True
        return {}, ""

    @invariant()
    def listings_agree(self) -> None:
        Life.steps += 1
        keys = self.service.ok("ListKeys", PageSize="100")
        assert [row["KeyId"] for row in keys["Keys"]["Key"]] == list(self.states)[:100]
        if Life.steps % 10 == 0:
            for key_id, state in self.states.items():
                assert self.service.ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == state
            aliases = self.service.ok("ListAliases", PageSize="100")
            found = {row["AliasName"]: row["KeyId"] for row in aliases["Aliases"]["Alias"]}
            assert found == self.aliases

    def teardown(self) -> None:
        self.service.store.close()
        with closing(open_reader(self.service.directory.database)) as reader:
            assert not [verdict.bad for verdict in reader.verify() if verdict.bad]
        shutil.rmtree(self.folder)


def test_life() -> None:
    Life.steps = 0
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=520,
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
    assert Life.steps >= STEPS
