"""Every call to the disk fails once, for every operation that writes: an error is told, nothing is lost, and the next try works."""

import base64
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from keystead.api.rewrapping import Rewrapping
from keystead.api.scheduled import (
    delete_due,
    expire_due,
    purge_access_keys,
    purge_nonces,
    rotate_due,
    write_tallies,
)
from keystead.crypto.primitives import sm2
from keystead.domain.accounts import AccessKey, AccessKeyStatus
from keystead.domain.keys.key import DAY
from keystead.domain.policies import of_everybody
from keystead.server.service.sequencer import Job
from keystead.store import sqlite
from keystead.store.ports import StoreFailure
from tests.durable import Durable, members, prepare, reopened, state
from tests.faulty_vfs import Disk
from tests.harness import base64_of

ERRORS = {"EIO": apsw.IOError, "ENOSPC": apsw.FullError}

# What each writing operation needs before it, and its parameters. {key} is a key's id.
WRITING: dict[str, tuple[list[str], dict[str, str]]] = {
    "CreateKey": ([], {}),
    "CreateAlias": ([], {"AliasName": "alias/new", "KeyId": "{key}"}),
    "UpdateAlias": (["CreateAlias"], {"AliasName": "alias/new", "KeyId": "{other}"}),
    "DeleteAlias": (["CreateAlias"], {"AliasName": "alias/new"}),
    "UpdateRotationPolicy": (
        [],
        {"KeyId": "{key}", "EnableAutomaticRotation": "true", "RotationInterval": "7d"},
    ),
    "TagResource": ([], {"KeyId": "{key}", "Tags": '[{{"TagKey": "a", "TagValue": "b"}}]'}),
    "UntagResource": (["TagResource"], {"KeyId": "{key}", "TagKeys": '["a"]'}),
    "TagResources": (
        [],
        {
            "RegionId": "cn-hangzhou",
            "ResourceType": "key",
            "ResourceId.1": "{key}",
            "ResourceId.2": "{other}",
            "Tag.1.Key": "a",
        },
    ),
    "UntagResources": (
        ["TagResources"],
        {"RegionId": "cn-hangzhou", "ResourceType": "key", "ResourceId.1": "{key}", "TagKey.1": "a"},
    ),
    "SetKeyPolicy": ([], {"KeyId": "{key}", "Policy": "{policy}"}),
    "ImportKeyMaterial": (
        [],
        {
            "KeyId": "{external}",
            "ImportToken": "{token}",
            "EncryptedKeyMaterial": "{wrapped}",
            "KeyMaterialExpireUnix": "{expires}",
        },
    ),
    "DeleteKeyMaterial": (["ImportKeyMaterial"], {"KeyId": "{external}"}),
    "SetDeletionProtection": ([], {"KeyId": "{key}", "EnableDeletionProtection": "true"}),
    "CreateKeyVersion": ([], {"KeyId": "{key}"}),
    "DisableKey": ([], {"KeyId": "{key}"}),
    "EnableKey": (["DisableKey"], {"KeyId": "{key}"}),
    "ScheduleKeyDeletion": ([], {"KeyId": "{key}", "PendingWindowInDays": "7"}),
    "CancelKeyDeletion": (["ScheduleKeyDeletion"], {"KeyId": "{key}"}),
    "UpdateKeyDescription": ([], {"KeyId": "{key}", "Description": "new"}),
    "Encrypt": ([], {"KeyId": "{key}", "Plaintext": "x" * 6000}),
    "DescribeKey": ([], {"KeyId": "{key}"}),
}
TIMERS: dict[str, Job] = {
    "delete_due": delete_due,
    "expire_due": expire_due,
    "purge_access_keys": purge_access_keys,
    "purge_nonces": purge_nonces,
    "rotate_due": rotate_due,
    "write_tallies": write_tallies,
    "rewrap": Rewrapping(100),
}
NEEDED = {"expire_due": "ImportKeyMaterial", "rotate_due": "UpdateRotationPolicy"}
WRAPPING = {"WrappingKeySpec": "EC_SM2", "WrappingAlgorithm": "SM2PKE"}


class Case:
    """A service with two keys on a faulty disk, ready for one operation."""

    def __init__(self, memory: Path, disk: Disk, action: str) -> None:
        self.live = memory / "live"
        shutil.rmtree(self.live, ignore_errors=True)
        self.live.mkdir()
        directory = prepare(self.live / "data")
        shutil.copy(directory.database, self.live / "k.db")
        disk.restart()
        disk.plan = lambda number, kind: None
        self.service = Durable(directory, self.live / "k.db", b"io")
        self.ids = {}
        for name in ("key", "other"):
            self.ids[name] = str(self.do("CreateKey")["KeyMetadata"]["KeyId"])
        before = WRITING[action][0] if action in WRITING else [NEEDED.get(action, "ScheduleKeyDeletion")]
        self.ids["policy"] = of_everybody(self.service.account)
        if "ImportKeyMaterial" in (action, *before):
            self.prepare_import()
        for one in before:
            self.do(one)
        if action == "purge_access_keys":
            self.prepare_access_key()
        if action == "write_tallies":
            self.prepare_uses()
        self.job = Rewrapping(100) if action == "rewrap" else TIMERS.get(action)
        if action == "rewrap":
            self.prepare_wrapping_key()
        self.action = action
        if action in TIMERS:
            self.service.clock.time += 8 * DAY

    def prepare_uses(self) -> None:
        """Something to write: a key that was used."""
        service = self.service
        service.sqlite.begin()
        batch = service.pipeline.open_batch()
        asked = service.request("Encrypt", {"KeyId": self.ids["other"], "Plaintext": "x"})
        assert service.pipeline.answer_now(batch, asked).code == ""
        batch.write()
        service.sqlite.commit()
        service.pipeline.committed(batch)

    def prepare_import(self) -> None:
        """A key that waits for its material, and that material, wrapped."""
        (created,), _ = self.service.run([("CreateKey", {"Origin": "EXTERNAL"})])
        self.service.sqlite.commit()
        key_id = members(created)["KeyMetadata"]["KeyId"]
        (given,), _ = self.service.run([("GetParametersForImport", {"KeyId": key_id, **WRAPPING})])
        self.service.sqlite.commit()
        public = sm2.load_public(base64.b64decode(members(given)["PublicKey"]))
        self.ids |= {
            "external": key_id,
            "token": members(given)["ImportToken"],
            "wrapped": base64_of(sm2.encrypt(public, bytes(32))),
            "expires": str(int(self.service.clock.now()) + DAY),
        }

    def prepare_access_key(self) -> None:
        """A temporary AccessKey whose time is soon over."""
        store, vault = self.service.pipeline.store, self.service.pipeline.vault
        store.begin()
        store.accounts.add_access_key(
            AccessKey(
                access_key_id="LTAITEMPORARY",
                account=self.service.account,
                status=AccessKeyStatus.ACTIVE,
                created=0,
                secret=vault.keep_secret(self.service.account, "LTAITEMPORARY", "secret"),
                expires=int(self.service.clock.now()) + DAY,
            )
        )
        store.commit()

    def prepare_wrapping_key(self) -> None:
        """A new generation, which an earlier batch has seen."""
        store, vault = self.service.pipeline.store, self.service.pipeline.vault
        store.begin()
        store.keyring.add(vault.new_wrapping_key(int(self.service.clock.now()), vault.newest + 1))
        store.commit()
        self.run_job()

    def run_job(self) -> None:
        assert self.job is not None
        self.service.sqlite.begin()
        batch = self.service.pipeline.open_batch()
        self.job(self.service.pipeline, batch)
        batch.write()
        self.service.sqlite.commit()

    def do(self, action: str) -> dict[str, Any]:
        parameters = {name: value.format(**self.ids) for name, value in WRITING[action][1].items()}
        (answer,), _ = self.service.run([(action, parameters)])
        self.service.sqlite.commit()
        assert answer.response.status == 200, answer.response.body
        return members(answer)

    def attempt(self) -> None:
        """The operation, as the sequencer runs it."""
        if self.action in WRITING:
            self.do(self.action)
            return
        self.run_job()


def sweep(
    memory: Path, disk: Disk, action: str, error: type[Exception], heal: bool = True
) -> tuple[int, list[str]]:
    """The operation with its first, second, … call failing until none fails any more: how many, and what was wrong."""
    wrong: list[str] = []
    number = 0
    while True:
        number += 1
        case = Case(memory, disk, action)
        before = state(case.service.connection)
        first = disk.calls
        failed = False

        def fault(call: int, kind: str, at: int = first + number) -> None:
            nonlocal failed
            if call == at:
                failed = True
                raise error

        disk.plan = fault
        try:
            case.attempt()
            told = False
        except StoreFailure:
            told = True
            disk.plan = lambda call, kind: None
            case.service.sqlite.rollback()
            try:
                if heal:
                    case.service.sqlite.begin()
                    kept = state(case.service.connection)
                    case.service.sqlite.rollback()
                    if kept != before:
                        wrong.append(f"call {number}: an effect without an answer")
                    case.attempt()
            except (StoreFailure, AssertionError) as problem:
                wrong.append(f"call {number}: the next try failed: {problem}")
        disk.plan = lambda call, kind: None
        expected = state(case.service.connection)
        if not told and expected == before:
            wrong.append(f"call {number}: acknowledged without an effect")
        case.service.connection.close(force=True)
        found, bad = reopened(case.live / "k.db", case.live / "data" / "root.key")
        wrong += [f"call {number}: {why}" for why in bad]
        if heal and found != expected:
            wrong.append(f"call {number}: the next start finds another state")
        if not failed:
            return number - 1, wrong


@pytest.mark.crash
@pytest.mark.parametrize("error", ERRORS)
def test_every_call_fails_once(memory: Path, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    # The log is written back to the database after each commit, so that these calls fail too.
    monkeypatch.setattr(sqlite, "_WAL_PAGES", 0)
    disk = Disk()
    counts = {}
    for action in [*WRITING, *TIMERS]:
        counts[action], wrong = sweep(memory, disk, action, ERRORS[error])
        assert wrong == [], action
    print(f"{error}: {sum(counts.values())} failed calls: {counts}")
    assert min(counts.values()) >= 3


@pytest.mark.crash
def test_a_store_that_ignores_a_failed_commit_is_found(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(store: sqlite.SqliteStore, commit: object = sqlite.SqliteStore.commit) -> None:
        try:
            commit(store)  # type: ignore[operator]
        except StoreFailure:
            store.rollback()

    monkeypatch.setattr(sqlite.SqliteStore, "commit", careless)
    _, wrong = sweep(memory, Disk(), "CreateKey", apsw.IOError)
    assert any("acknowledged without an effect" in one for one in wrong)
