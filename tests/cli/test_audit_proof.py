"""`keystead audit checkpoint`, `key` and `verify --checkpoint` against a live server, its directory, and an exported log."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.live import LiveServer, keystead, live

ROOT = Path(__file__).parents[2]
SECOND = ROOT / "examples" / "auditor" / "verify_log.py"


class World:
    """A directory whose server was stopped, with what an auditor has of it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.data, self.kept = folder / name, folder / f"{name}-kept"
        self.log, self.key, self.checkpoint = (folder / f"{name}.{one}" for one in ("jsonl", "pub", "note"))
        self.kept.mkdir()
        received = folder / f"{name}.received"
        program = f"import sys; open({str(received)!r}, 'ab').write(sys.stdin.buffer.read())"
        command = f'{sys.executable} -c "{program}"'
        self.received = received
        with live(
            self.data,
            "--checkpoint-folder",
            str(self.kept),
            "--checkpoint-command",
            command,
            "--checkpoint-seconds",
            "1",
        ) as server:
            self.description = server.description
            for _ in range(3):
                server.client().ok("CreateKey")
            self.key.write_text(self.run("key", "--data", str(self.data)))
            self.checkpoint.write_text(self.run("checkpoint", "--data", str(self.data)))
            server.client().ok("CreateKey")
            self.announced = server.log.read_text()
        self.log.write_text(self.run("export", "--format", "records", "--data", str(self.data)))

    def run(self, *words: str) -> str:
        told = keystead("audit", *words)
        assert told.returncode == 0, told.stderr
        return told.stdout


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, World]:
    folder = tmp_path_factory.mktemp("proof")
    return World(folder, "one"), World(folder, "two")


@pytest.fixture
def world(worlds: tuple[World, World]) -> World:
    return worlds[0]


def verified(
    log: Path, checkpoint: Path, key: Path | str
) -> tuple["subprocess.CompletedProcess[str]", "subprocess.CompletedProcess[str]"]:
    """By the first verifier, and by the second one."""
    first = keystead("audit", "verify", "--log", str(log), "--checkpoint", str(checkpoint), "--key", str(key))
    second = subprocess.run(
        [sys.executable, "-I", "-S", str(SECOND), str(log), str(checkpoint), str(key)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return first, second


def test_the_key_is_told_by_all_that_tell_of_a_server(world: World) -> None:
    key = world.key.read_text().strip()
    assert re.fullmatch(r"keystead/[0-9a-f-]{36}\+[0-9a-f]{8}\+[0-9A-Za-z+/=]{44}", key)
    assert world.description["checkpoint_key"] == key
    assert f"  checkpoints     {key}\n" in world.announced
    assert world.run("key", "--data", str(world.data)).strip() == key  # with the server stopped


def test_a_log_is_proved_by_directory_and_by_export(world: World) -> None:
    told = keystead(
        "audit",
        "verify",
        "--data",
        str(world.data),
        "--checkpoint",
        str(world.checkpoint),
        "--key",
        str(world.key),
    )
    assert told.returncode == 0, told.stderr
    assert re.search(r"proved: the first \d+ records as signed on .*; \d+ records after that", told.stderr)
    for key in (world.key, world.key.read_text().strip()):
        first, second = verified(world.log, world.checkpoint, key)
        assert (first.returncode, second.returncode) == (0, 0), (first.stderr, second.stderr)
        assert "those that were signed" in second.stdout


def test_checkpoints_were_delivered_and_the_last_one_at_the_stop(world: World) -> None:
    kept = sorted(world.kept.iterdir())
    assert kept
    first, second = verified(world.log, kept[-1], world.key)
    assert (first.returncode, second.returncode) == (0, 0), (first.stderr, second.stderr)
    # The command was given the same ones.
    assert kept[-1].read_text() in world.received.read_text()
    # All but what was done since the stop: reading the key with the server stopped is a record as well.
    covered = int(kept[-1].name.rpartition("-")[2].partition(".")[0])
    records = [json.loads(line) for line in world.log.read_text().splitlines()]
    assert {one["action"] for one in records[covered:]} <= {"GetCheckpointKey"}


def altered(world: World, folder: Path, change: str) -> Path:
    """A copy of the log with one thing wrong."""
    lines = world.log.read_text().splitlines(keepends=True)
    match change:
        case "edit":
            lines[1] = lines[1].replace("CreateKey", "DeleteKey")
        case "removal":
            del lines[1]
        case "swap":
            lines[0], lines[1] = lines[1], lines[0]
        case "insertion":
            lines.insert(1, lines[0])
        case "cut":
            del lines[2:]
        case "cut line":
            lines[-1] = lines[-1][:-5]
        case _:
            lines.clear()
    found = folder / "altered.jsonl"
    found.write_text("".join(lines))
    return found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("edit", "was altered, moved or put in place of another"),
        ("removal", "record 2 of chain"),
        ("swap", "record 1 of chain"),
        ("insertion", "stands where record 2 should"),
        ("cut", "its end was cut off"),
        ("cut line", "is no record, or was cut off"),
        ("nothing left", "the log has no records"),
    ],
)
def test_what_is_wrong_with_a_log_is_told(world: World, tmp_path: Path, change: str, told: str) -> None:
    first, second = verified(altered(world, tmp_path, change), world.checkpoint, world.key)
    assert (first.returncode, second.returncode) == (1, 1)
    assert told in first.stderr
    assert "hint: " in first.stderr
    assert second.stderr.startswith("error: ")
    assert "Traceback" not in first.stderr + second.stderr


def test_a_cut_or_rewritten_directory_is_found(world: World, tmp_path: Path) -> None:
    def verify(database: Path) -> "subprocess.CompletedProcess[str]":
        proof = ("--checkpoint", str(world.checkpoint), "--key", str(world.key))
        return keystead("audit", "verify", "--data", str(database.parent), *proof)

    source = apsw.Connection(str(world.data / "keystead.db"))
    for number, (statement, told) in enumerate(
        [
            ("DELETE FROM audit WHERE position > 2", "its end was cut off"),
            ("UPDATE audit SET action = 'ListKeys' WHERE position = 2", "record 2 of chain"),
            ("DELETE FROM audit", "all records of this one are gone"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = apsw.Connection(str(folder / "keystead.db"))
        with copy.backup("main", source, "main") as backup:
            backup.step()
        copy.execute(statement)
        copy.close()
        ended = verify(folder / "keystead.db")
        assert (ended.returncode, told in ended.stderr + ended.stdout) == (1, True), ended.stderr
    source.close()


def test_checkpoints_and_keys_that_do_not_belong_here_are_told(
    worlds: tuple[World, World], tmp_path: Path
) -> None:
    world, other = worlds
    note, key = world.checkpoint.read_text(), world.key.read_text()
    bad = tmp_path / "bad"
    number = note.split("\n")[1]
    for content, told in (
        (note[:-10], "is not a whole signed note"),
        ("", "is not a whole signed note"),
        (note.replace(f"\n{number}\n", "\n1\n"), "the signature is not of this text"),
        (other.checkpoint.read_text(), "was signed by keystead/"),
    ):
        bad.write_text(content)
        first, second = verified(world.log, bad, world.key)
        assert (first.returncode, second.returncode) == (1, 1)
        assert told in first.stderr
    # Of another server altogether, with its key; and newer than the log.
    first, second = verified(world.log, other.checkpoint, other.key)
    assert (first.returncode, second.returncode) == (1, 1)
    assert "and the log has chain" in first.stderr
    shorter = tmp_path / "older.jsonl"
    shorter.write_text("".join(world.log.read_text().splitlines(keepends=True)[:-2]))
    newest = sorted(world.kept.iterdir())[-1]
    first, second = verified(shorter, newest, world.key)
    assert (first.returncode, second.returncode) == (1, 1)
    assert "or an older copy was put in its place" in first.stderr
    for text, told in (
        ("", "is not the public key"),
        (key.replace("keystead/", "keystead/1"), "was altered"),
        (str(tmp_path / "missing"), "cannot read"),
    ):
        bad.write_text(text)
        given = text if text.startswith("/") else bad
        first, second = verified(world.log, world.checkpoint, given)
        assert (first.returncode, second.returncode) == (1, 1)
        assert told in first.stderr


def test_wrong_command_lines(world: World) -> None:
    note, key, log = str(world.checkpoint), str(world.key), str(world.log)
    for words, told in (
        (("--checkpoint", note), "--key is missing"),
        (("--key", key), "--checkpoint is missing"),
        (("--checkpoint", note, "--key", key, "--expect", f"1:{'0' * 64}"), "exclude each other"),
        (("--log", log, "--data", str(world.data)), "exclude each other"),
        (("--expect", "1:0"), "is not COUNT:HASH"),
        (("--expect", f"1:{'0' * 64} of chain x"), "is not COUNT:HASH"),
        (("--expect", f"1:{'0' * 64}  chain x\n1:{'0' * 64}  chain y"), "has 2 lines, and is one head"),
        (("--expect", ""), "--expect is empty"),
        (("--checkpoint", "", "--key", ""), "--checkpoint is empty"),
        (("--checkpoint", note, "--key", ""), "--key is empty"),
        (("--log", ""), "--log is empty"),
    ):
        ended = keystead("audit", "verify", *words)
        assert (ended.returncode, told in ended.stderr) == (2, True), ended.stderr
    ended = keystead("audit", "verify", "--log", "/nowhere", "--checkpoint", note, "--key", key)
    assert (ended.returncode, "cannot read /nowhere" in ended.stderr) == (1, True)


def test_what_was_printed_before_is_expected_as_it_is(world: World) -> None:
    def expecting(text: str) -> "subprocess.CompletedProcess[str]":
        return keystead("audit", "verify", "--log", str(world.log), "--expect", text)

    heads = world.run("verify", "--log", str(world.log)).splitlines()
    for line in heads:
        for text in (line, line.partition(" ")[0]):
            ended = expecting(text)
            assert (ended.returncode, ended.stdout.splitlines()) == (0, heads), ended.stderr
    head, chain = heads[0].split("  chain ")
    count, digest = head.split(":")
    for text, told in (
        (f"{head}  chain {chain}0", f"is not on chain {chain}0: the log has no such chain"),
        (
            f"{int(count) + 1}:{digest}  chain {chain}",
            f"is not on chain {chain}: the log ends at record {count}",
        ),
        (f"1:{digest}  chain {chain}", f"is not on chain {chain}: the log was written anew"),
        (f"1:{digest}", "is on no chain: the log was written anew"),
    ):
        ended = expecting(text)
        assert (ended.returncode, told in ended.stderr) == (1, True), ended.stderr


def test_an_exported_log_without_a_record_proves_nothing(tmp_path: Path) -> None:
    log = tmp_path / "empty.jsonl"
    log.touch()
    for words in ((), ("--expect", f"0:{'0' * 64}")):
        ended = keystead("audit", "verify", "--log", str(log), *words)
        assert (ended.returncode, "has no records, which proves nothing" in ended.stderr) == (1, True)
        assert "proved:" not in ended.stderr


def test_the_export_for_people_is_as_it_was(world: World) -> None:
    (first, *_) = world.run("export", "--data", str(world.data)).splitlines()
    record = json.loads(first)
    assert isinstance(record["parameters"], dict)
    assert "hash" not in record


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live(tmp_path / "data") as server:
        yield server


def test_a_server_without_targets_signs_what_it_is_asked_to(server: LiveServer) -> None:
    told = keystead("audit", "checkpoint", "--data", str(server.data))
    assert told.returncode == 0
    assert told.stdout.startswith("keystead/")
    shown = keystead("status", "--output", "json", "--data", str(server.data)).stdout
    assert json.loads(shown)["CheckpointKey"] == server.description["checkpoint_key"]
    assert server.description["checkpoint_key"] in keystead("status", "--data", str(server.data)).stdout
