"""`keystead backup verify`: each way a backup can be bad is noticed, named, and leaves nothing behind."""

import base64
import json
import os
import random
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from keystead.clock import SystemClock
from keystead.crypto import backup_file, root_key
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.backup import proof
from keystead.server.backup.manifest import Canary, Chain, Manifest
from tests.backups import back_up, verify
from tests.live import keystead, live

CHANGES = 400 if os.environ.get("TEST_EVIDENCE") else 60


class World:
    """A server with a bit of everything, and a backup of it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        with live(self.data) as server:
            client = server.client()
            for spec in ("Aliyun_AES_256", "EC_P256"):
                client.ok(
                    "CreateKey", KeySpec=spec, KeyUsage="ENCRYPT/DECRYPT" if "AES" in spec else "SIGN/VERIFY"
                )
            client.ok("CreateUser", Version="2015-05-01", UserName="ann")
            client.ok("CreateVirtualMFADevice", Version="2015-05-01", VirtualMFADeviceName="phone")
            client.close()
            self.backup = back_up(self.data, folder / "backups")
        self.content = self.backup.read_bytes()
        self.root = root_key.read_file(self.data / "root.key", SystemEntropy())
        with self.backup.open("rb") as file:
            head = backup_file.read_head(file)
            sealed = backup_file.unseal(iter(lambda: file.read(1 << 16), b""), head, self.root)
            self.database = zlib.decompress(b"".join(sealed))
        self.manifest = msgspec.json.decode(head.manifest, type=Manifest)

    def forged(self, to: Path, database: bytes, **changes: object) -> Path:
        """A backup that is sealed as it should be, with another content."""
        manifest = msgspec.structs.replace(self.manifest, bytes=len(database), **changes)
        pieces = backup_file.seal(
            iter([zlib.compress(database)]), msgspec.json.encode(manifest), self.root, SystemEntropy()
        )
        to.write_bytes(b"".join(pieces))
        return to


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def problem(world: World, path: Path, place: Path, **more: object) -> OperatorError:
    """What is wrong with it; and nothing is left of it."""
    place.mkdir(exist_ok=True)
    with pytest.raises(OperatorError) as raised:
        proof.verify(path, world.root, SystemClock(), SystemEntropy(), place=place, **more)  # type: ignore[arg-type]
    assert os.listdir(place) == []
    return raised.value


def test_a_good_one(world: World, tmp_path: Path) -> None:
    told = verify(world.backup, world.data, "--aside", str(tmp_path))
    assert told.returncode == 0, told.stderr
    facts = dict(
        line.split(None, 1)
        for line in told.stdout.splitlines()
        if not line.startswith(("key ", "access", "root", "wrap"))
    )
    assert facts["keys"] == "2"
    assert "audit 4:" in told.stderr
    assert os.listdir(tmp_path) == []
    noted = json.loads((world.data / "backups.json").read_text())
    assert (noted["file"], noted["made"]) == (str(world.backup), world.manifest.made)


def test_every_region_that_is_changed_or_cut_is_noticed(world: World, tmp_path: Path) -> None:
    bad, chance = tmp_path / "bad", random.Random(0)
    for at in [*range(0, len(world.content), len(world.content) // CHANGES), len(world.content) - 1]:
        changed = bytearray(world.content)
        changed[at] ^= 1 << chance.randrange(8)
        for content in (bytes(changed), world.content[:at]):
            bad.write_bytes(content)
            found = problem(world, bad, tmp_path / "aside")
            assert str(bad) in found.message, (at, found.message)
            assert found.hint
    for at in range(
        len(world.content) // 4
    ):  # the manifest is in it, which is read before anything is proved
        changed = bytearray(world.content)
        changed[at] ^= 0x80
        bad.write_bytes(changed)
        problem(world, bad, tmp_path / "aside")
    bad.write_bytes(world.content + b"\0")
    assert "is cut off, damaged or altered" in problem(world, bad, tmp_path / "aside").message


def test_what_is_no_backup_of_ours(world: World, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    for content in (b"", b"x" * 1000, world.database):
        bad.write_bytes(content)
        assert f"{bad} is no backup" in problem(world, bad, tmp_path / "aside").message
    assert "cannot read the backup" in problem(world, tmp_path, tmp_path / "aside").message
    assert "cannot read the backup" in problem(world, tmp_path / "none", tmp_path / "aside").message
    with live(tmp_path / "other"):
        pass
    told = verify(world.backup, tmp_path / "other")
    assert (told.returncode, told.stdout) == (1, "")
    assert f"sealed under another root key (it needs {world.manifest.root}; file is " in told.stderr
    assert not (tmp_path / "other" / "backups.json").exists()


def test_one_of_a_newer_program(world: World, tmp_path: Path) -> None:
    newer = world.forged(
        tmp_path / "schema", world.database, schema=world.manifest.schema + 1, program="9.9.9"
    )
    assert "was made by keystead 9.9.9, which is newer" in problem(world, newer, tmp_path / "aside").message
    content = bytearray(world.content)
    content[8] = backup_file.FORMAT + 1
    (tmp_path / "format").write_bytes(content)
    found = problem(world, tmp_path / "format", tmp_path / "aside")
    assert "was made by a newer keystead" in found.message
    assert found.hint.startswith("upgrade")


def edited(world: World, folder: Path, *statements: str) -> bytes:
    """The database after someone was at it."""
    path = folder / "edited.db"
    path.write_bytes(world.database)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    for statement in statements:
        connection.executescript(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


EDITS = {
    "UPDATE audit SET source = '203.0.113.7' WHERE sequence = 2": "the audit log in .* is damaged: record 2 of chain",
    "DELETE FROM audit WHERE sequence = 4": "its end was cut off: chain .* ends with record 3",
    "DELETE FROM audit WHERE sequence = 4; "
    "UPDATE chains SET records = 3, hash = (SELECT hash FROM audit WHERE sequence = 3)": "does not end as its manifest says",
    "UPDATE key_versions SET material = zeroblob(length(material)) WHERE spec = 'EC_P256'": "version .* of key .* does not open",
    "UPDATE key_versions SET created = created, number = 7 WHERE spec = 'Aliyun_AES_256'": "version .* does not open",
    "UPDATE access_keys SET secret = zeroblob(length(secret))": "AccessKey LTAI.* does not open",
    "UPDATE mfa_devices SET seed = zeroblob(length(seed))": "MFA device phone does not open",
    "UPDATE wrapping_keys SET blob = zeroblob(length(blob))": "wrapping key 1 does not open",
    "UPDATE meta SET value = replace(value, substr(value, instr(value, '\"blob\":\"') + 12, 8), 'AAAAAAAA') "
    "WHERE name = 'authorities'": "the certificate authority does not open",
    "UPDATE meta SET value = 'another' WHERE name = 'server_id'": "rows that had been altered before .*: meta server_id",
    "DELETE FROM users": "rows that had been altered before it was made: users of account .* a row was removed",
    "UPDATE keys SET state = 'Disabled'": "rows that had been altered before it was made: keys ",
    "UPDATE key_versions SET spec = 'NONE'": "the first row does not open, or the row after it",
    "UPDATE access_keys SET status = 'Perhaps'": "does not open, or the row after it",
    "DELETE FROM accounts": "is damaged: a row of .* belongs to none of accounts",
}


@pytest.mark.parametrize("statement", EDITS)
def test_what_was_altered_before_it_was_backed_up(statement: str, world: World, tmp_path: Path) -> None:
    bad = world.forged(tmp_path / "bad", edited(world, tmp_path, statement))
    found = problem(world, bad, tmp_path / "aside")
    with pytest.raises(OperatorError, match=EDITS[statement]):
        raise found


def _with_a_torn_page(database: bytes) -> bytes:
    page = 4096 * (len(database) // 8192)
    return database[:page] + bytes(4096) + database[page + 4096 :]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda world: {"database": _with_a_torn_page(world.database)}, "damaged|does not|cannot"),
        (lambda world: {"database": world.database[:-4096]}, "damaged|malformed"),
        (lambda world: {"chains": (Chain(world.manifest.server, f"9:{'0' * 64}"),)}, "does not end as its manifest says"),
        (lambda world: {"canaries": (Canary(1, base64.b64encode(bytes(80)).decode()),)}, "does not open its canary"),
        (lambda world: {"canaries": (Canary(2, world.manifest.canaries[0].sealed),)}, "wrapping key 2 .* its canary"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together(
    change: Callable[[World], dict[str, object]], what: str, world: World, tmp_path: Path
) -> None:
    bad = world.forged(tmp_path / "bad", **{"database": world.database, **change(world)})  # type: ignore[arg-type]
    with pytest.raises(OperatorError, match=what):
        raise problem(world, bad, tmp_path / "aside")


def test_no_room_for_the_copy(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=1 << 20))
    found = problem(world, world.backup, tmp_path / "aside")
    assert "has 1 MiB free" in found.message
    assert "--aside" in found.hint
    with pytest.raises(OperatorError, match="cannot make a folder in"):
        monkeypatch.undo()
        proof.verify(world.backup, world.root, SystemClock(), SystemEntropy(), place=tmp_path / "none")


@pytest.mark.parametrize(
    "words", [["verify"], ["verify", "FILE", "more"], ["verify", "FILE", "--keep", "1"], ["verfy", "FILE"]]
)
def test_a_wrong_command_line(words: list[str], world: World, tmp_path: Path) -> None:
    told = keystead("backup", *words, "--data", str(world.data), cwd=tmp_path)
    assert (told.returncode, told.stdout) == (2, "")
    assert "hint: " in told.stderr
    assert os.listdir(tmp_path) == []
