"""The root key, from each provider to each other, killed at each step: the old one opens all or the new one does, nothing is
lost, and the rotation can be run again."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keystead.client.access_key import read_access_key
from keystead.clock import SystemClock
from keystead.crypto.root_keys import passphrase
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server import rootkey
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.root_keys import RootKeys
from tests.live import LiveServer, live, without_ours
from tests.tokens import Token

ROOT = Path(__file__).parents[2]
EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
AT_RANDOM = 20 if EVIDENCE else 1  # kills at no step in particular
STEPS = 0 if EVIDENCE else 2  # of the steps, 0 for all
KINDS = ("file", "file:", "passphrase", "pkcs11", "kms")
_REFUSED = re.compile("sealed under another root key|not the passphrase")
PAIRS = [(old, new) for old in KINDS for new in KINDS]


class Providers:
    """One of each kind, old and new."""

    def __init__(self, folder: Path, token: Token, kms: LiveServer) -> None:
        self.folder = folder
        self.token = token
        self._kms = kms
        for name in ("old", "new"):
            file = folder / f"{name}.passphrase"
            file.write_text(f"the {name} passphrase, long enough\n")
            file.chmod(0o600)

    def setting(self, kind: str, age: str) -> str:
        if kind == "file:":
            return f"file:{self.folder / age}.key"
        if kind == "passphrase":
            return f"passphrase:file:{self.folder / age}.passphrase"
        if kind == "pkcs11":
            return self.token.address(f"{self.folder.name}-{age}")
        if kind == "kms":
            found, data = self._kms.description, self._kms.data
            return f"kms:{found['url']}?key=alias/{age}&access-key={data}/root-access-key.json&ca={found['ca_file']}"
        return kind


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live(tmp_path_factory.mktemp("kms") / "data") as server:
        with closing(server.client()) as client:
            for name in ("old", "new"):
                key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
                client.ok("CreateAlias", AliasName=f"alias/{name}", KeyId=key_id)
        yield server


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    made = Token(tmp_path_factory.mktemp("token"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        patch.setattr(passphrase, "MEMORY", 64)
        yield made


@pytest.fixture
def providers(tmp_path: Path, token: Token, kms: LiveServer) -> Providers:
    return Providers(tmp_path, token, kms)


def first_start(data: Path, setting: str) -> None:
    directory = DataDirectory(data)
    directory.prepare()
    directory.lock()
    open_store(directory, SystemClock(), SystemEntropy(), root_key_setting=setting).store.close()
    directory.unlock()


def opens(data: Path, setting: str) -> bool:
    """Whether a start with this setting opens everything: the root AccessKey's secret among it, which is known."""
    directory = DataDirectory(data)
    directory.lock()
    try:
        opened = open_store(directory, SystemClock(), SystemEntropy(), root_key_setting=setting)
    except OperatorError as problem:
        if not (_REFUSED.search(problem.message) and problem.hint):
            raise
        return False
    else:
        with closing(opened.store):
            opened.store.begin()
            key_id, secret = read_access_key(directory.root_access_key)
            row = opened.store.accounts.access_key(key_id)
            assert row is not None
            assert opened.vault.has_secret(row, secret)
        return True
    finally:
        directory.unlock()


def rotating(last: int, data: Path, old: str, new: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "tests.crash.rotating", str(last), str(data), old, new]
    return subprocess.Popen(words, cwd=ROOT, env=without_ours(), text=True, stdout=-1, stderr=-1)


def alike(old: str, new: str) -> bool:
    """Whether one opens what the other does: a KMS finds by itself under which of its keys it was encrypted."""
    return old == new or (old.startswith("kms:") and new.startswith("kms:"))


def examine(data: Path, old: str, new: str) -> None:
    """After a kill: exactly one of both opens all, as the database says; and the rotation goes on."""
    needed = RootKeys(DataDirectory(data), SystemEntropy(), SystemClock()).needed()
    assert needed.facts is not None
    done = needed.facts.provider == new and old != new
    if alike(old, new):
        assert opens(data, old)
    else:
        assert (opens(data, old), opens(data, new)) == (not done, done)
    if not done:
        rootkey.rotate(str(data), old, new, "tests")
        assert opens(data, new)
        assert alike(old, new) or not opens(data, old)


@pytest.mark.crash
@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_killed_at_each_step(old: str, new: str, providers: Providers) -> None:
    before, after = providers.setting(old, "old"), providers.setting(new, "new")
    start, data = providers.folder / "start", providers.folder / "data"
    first_start(start, before)
    shutil.copytree(start, data)
    whole = rotating(0, data, before, after)
    told, said = whole.communicate()
    assert whole.returncode == 0, said
    assert opens(data, after)
    assert alike(before, after) or not opens(data, before)

    def again() -> None:
        shutil.rmtree(data)
        shutil.copytree(start, data)
        (providers.folder / "new.key").unlink(missing_ok=True)

    steps = range(1, int(told) + 1)
    assert len(steps) > 5
    chance = random.Random(f"{old} {new}")
    for step in chance.sample(steps, STEPS) if STEPS else steps:
        again()
        killed = rotating(step, data, before, after)
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        examine(data, before, after)
    keys = providers.token.saved()  # all that are used are there by now
    for _ in range(AT_RANDOM):
        again()
        killed = rotating(0, data, before, after)
        time.sleep(chance.uniform(0, 0.7))
        killed.kill()
        killed.communicate()
        providers.token.mend(keys)
        examine(data, before, after)


@pytest.mark.crash
def test_the_steps_are_seen(providers: Providers) -> None:
    """The harness has teeth: a rotation that commits the rows one by one is found out."""
    data = providers.folder / "data"
    first_start(data, "file")
    directory = DataDirectory(data)
    keys = RootKeys(directory, SystemEntropy(), SystemClock())
    other = json.loads(json.dumps(providers.setting("file:", "new")))
    made = keys.make(keys.chosen(other, keys.needed()))
    directory.lock()
    opened = open_store(directory, SystemClock(), SystemEntropy())
    opened.store.begin()
    opened.store.keyring.put_root(made.facts)  # and no row
    opened.store.commit()
    opened.store.close()
    directory.unlock()
    with pytest.raises(AssertionError):
        examine(data, "file", other)
