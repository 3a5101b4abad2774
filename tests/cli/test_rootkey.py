"""`keystead rootkey`, and how a start and other commands find the root key, as people and programs use them."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.live import LiveServer, keystead, live, without_room
from tests.tokens import Token

PHRASE = "correct horse battery staple"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with live(tmp_path / "data") as server:
        server.client().close()
    return tmp_path / "data"


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    file = tmp_path / "phrase"
    file.write_text(PHRASE + "\n")
    file.chmod(0o600)
    return f"passphrase:file:{file}"


@pytest.fixture
def token(tmp_path: Path) -> Token:
    return Token(tmp_path / "token")


def done(*words: str, **more: object) -> str:
    told = keystead(*words, **more)  # type: ignore[arg-type]
    assert told.returncode == 0, told.stderr
    return told.stdout


def refused(*words: str, status: int = 1, **more: object) -> str:
    told = keystead(*words, **more)  # type: ignore[arg-type]
    assert told.returncode == status, (told.returncode, told.stderr)
    assert told.stderr.startswith("error: ")
    assert "\nhint: " in told.stderr
    return told.stderr


def facts(data: Path) -> dict[str, object]:
    return dict(json.loads(done("rootkey", "status", "--json", "--data", str(data))))


def test_status_of_a_running_and_of_a_stopped_server(data: Path, phrase: str) -> None:
    told = done("rootkey", "status", "--data", str(data))
    assert re.search(rf"^provider +file \({data}/root\.key\)$", told, re.MULTILINE)
    assert re.search(r"^fingerprint +[0-9a-f]{16}$", told, re.MULTILINE)
    assert "protects from" in told
    with live(data):
        assert done("rootkey", "status", "--data", str(data)) == told
        assert "a server runs on" in refused("rootkey", "rotate", "--to", "file", "--data", str(data))
    before = facts(data)
    note = keystead("rootkey", "rotate", "--to", "file", "--data", str(data)).stderr
    after = facts(data)
    assert str(before["Fingerprint"]) in note
    assert str(after["Fingerprint"]) in note
    assert after["Retired"] == [f"{data}/root.key.retired-{before['Fingerprint']}"]
    assert "no data in" in refused("rootkey", "status", "--data", str(data / "none"))


def test_a_rotation_is_recorded_and_what_was_encrypted_opens(tmp_path: Path, phrase: str) -> None:
    data = tmp_path / "data"
    with live(data) as server:
        client = server.client()
        key_id = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
        blob = client.ok("Encrypt", KeyId=key_id, Plaintext="text")["CiphertextBlob"]
        client.close()
    told = keystead("rootkey", "rotate", "--to", phrase, "--data", str(data))
    assert told.returncode == 0, told.stderr
    assert PHRASE not in told.stderr + told.stdout
    with live(data) as server:  # by what the data says
        client = server.client()
        assert client.ok("Decrypt", CiphertextBlob=blob)["Plaintext"] == "text"
        client.close()
    records = done("audit", "export", "--data", str(data))
    (rotation,) = [one for one in map(json.loads, records.splitlines()) if one["action"] == "RotateRootKey"]
    assert rotation["kind"] == "OperatorCommand"
    assert PHRASE not in records
    # Every command on the stopped directory finds it, too.
    assert "Accounts" in done("account", "list", "--data", str(data))
    assert "Subject" in done("ca", "rotate", "--data", str(data))
    file = tmp_path / "phrase"
    file.write_text("correct horse battery stapler\n")
    assert "this is not the passphrase" in refused("account", "list", "--data", str(data))
    server = LiveServer(data)
    server.start(wait=False)
    assert server.process is not None
    assert server.process.wait(30) == 1
    assert "this is not the passphrase" in server.log.read_text()
    assert "this is not the passphrase" in refused_by_doctor(data)


def test_a_rotation_names_the_file_of_the_key_before(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)

    def rotated(to: str) -> str:
        told = keystead("rootkey", "rotate", "--to", to, "--data", str(moved))
        assert told.returncode == 0, told.stderr
        return str(re.findall("the one before is in ([^;]+);", told.stderr)[0])

    first, second = (f"file:{tmp_path / name}" for name in ("first", "second"))
    assert rotated(first) == str(moved / "root.key")  # it stays where it is
    assert rotated(second) == str(tmp_path / "first")
    assert rotated("file") == str(tmp_path / "second")  # though another one is moved by now
    assert rotated(first).startswith(f"{moved / 'root.key'}")


def refused_by_doctor(data: Path, **more: object) -> str:
    found = keystead("doctor", "--data", str(data), **more)  # type: ignore[arg-type]
    return "\n".join(line for line in found.stdout.splitlines() if "root key" in line)


def test_a_start_by_another_provider_says_which_is_needed(data: Path, tmp_path: Path, phrase: str) -> None:
    needed = facts(data)["Fingerprint"]
    config = tmp_path / "keystead.toml"
    config.write_text(f'root-key = "file:{tmp_path}/elsewhere.key"\n')
    for env in ({"KEYSTEAD_CONFIG": str(config)}, {"KEYSTEAD_ROOT_KEY": phrase}):
        told = refused("account", "list", "--data", str(data), env=env)
        assert f"it needs {needed}" in told
        assert 'set root-key = "file"' in told
        assert f"it needs {needed}" in refused_by_doctor(data, env=env)
    told = refused("serve", "--data", str(data), "--config", str(config), "--listen", "localhost:0")
    assert 'set root-key = "file"' in told
    config.write_text('root-key = "fil"\n')
    assert "did you mean file?" in refused("config", "check", "--config", str(config), status=2)
    assert "did you mean file?" in refused("rootkey", "rotate", "--to", "fil", "--data", str(data), status=2)
    config.write_text("root-key = 3\n")
    refused("account", "list", "--data", str(data), status=2, env={"KEYSTEAD_CONFIG": str(config)})


def test_shares_make_the_key_again(data: Path, tmp_path: Path) -> None:
    papers = tmp_path / "papers"
    told = keystead("rootkey", "export", "--shares", "3/5", "--into", str(papers), "--data", str(data))
    assert told.returncode == 0, told.stderr
    assert sorted({path.suffix for path in papers.iterdir()}) == [".html", ".txt"]
    assert {path.stat().st_mode & 0o777 for path in papers.iterdir()} == {0o600}
    assert papers.stat().st_mode & 0o777 == 0o700
    texts = sorted(papers.glob("*.txt"))
    assert len(texts) == 5
    fingerprint = str(facts(data)["Fingerprint"])
    for number, path in enumerate(texts, 1):
        text, page = path.read_text(), path.with_suffix(".html").read_text()
        for shown in (f"share {number} of 5", fingerprint, "any 3 of the 5 shares"):
            assert shown in text
            assert shown in page
        assert "<svg" in page
        words = re.findall(r"\d+ ([a-z]+)", text.partition("BEGIN")[2].partition("END")[0])
        assert len(words) == 33
        assert " ".join(words) not in told.stdout + told.stderr
    records = done("audit", "export", "--data", str(data))
    assert [one["action"] for one in map(json.loads, records.splitlines())][-1] == "NoteRootKeyShares"

    (data / "root.key").rename(tmp_path / "lost")
    some = list(map(str, texts[1:4]))
    assert "2 of the 3 shares" in refused("rootkey", "import", *some[:2], "--data", str(data))
    assert "the same share" in refused("rootkey", "import", *some[:2], some[0], "--data", str(data))
    assert not (data / "root.key").exists()
    assert done("rootkey", "import", *some, "--data", str(data)).strip() == f"{data}/root.key"
    assert (data / "root.key").read_text() == (tmp_path / "lost").read_text()
    assert "Accounts" in done("account", "list", "--data", str(data))
    assert "there is a file" in refused("rootkey", "import", *some, "--data", str(data))
    # By standard input, all at once; and bare words, one share a line.
    whole = "\n".join(path.read_text() for path in texts[2:])
    elsewhere = tmp_path / "elsewhere.key"
    done("rootkey", "import", "-", "--to", str(elsewhere), "--data", str(data), input=whole)
    bare = "\n".join(
        " ".join(re.findall(r"\d+ ([a-z]+)", path.read_text().partition("BEGIN")[2].partition("END")[0]))
        for path in texts[:3]
    )
    done("rootkey", "import", "-", "--to", f"file:{elsewhere}.2", "--data", str(data), input=bare)
    assert elsewhere.read_text() == Path(f"{elsewhere}.2").read_text() == (data / "root.key").read_text()


@pytest.mark.parametrize("word", ["file", "file:", "passphrase", "credential:root", "kms", "pkcs11:token=x"])
def test_an_import_makes_no_file_of_a_provider_s_name(word: str, tmp_path: Path) -> None:
    told = refused("rootkey", "import", "papers", "--to", word, status=2, cwd=tmp_path)
    kind = word.partition(":")[0]
    assert f"import makes a file of the shares, and {kind} is a word for a provider" in told
    assert "keystead rootkey rotate --to changes to a provider afterwards" in told
    assert list(tmp_path.iterdir()) == []


def test_wrong_shares_are_told(data: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        done("rootkey", "export", "--shares", "2/2", "--into", str(folder), "--data", str(data))
    first, second = sorted(one.glob("*.txt")), sorted(two.glob("*.txt"))

    def told(*files: Path | str) -> str:
        return refused(
            "rootkey", "import", *map(str, files), "--to", str(tmp_path / "k"), "--data", str(data)
        )

    assert "are of different exports" in told(first[0], second[1])
    cut = tmp_path / "cut"
    text = first[0].read_text()
    cut.write_text(text[: text.index("29 ")])
    assert "has 28 words" in told(cut, first[1])
    cut.write_text(text.replace("2026", "2027"))  # what stands beside the words does not count
    words = re.findall(r"\d+ ([a-z]+)", text.partition("BEGIN")[2])
    cut.write_text(text.replace(f" 5 {words[4]}", f" 5 {'acid' if words[4] == 'academic' else 'academic'}"))
    assert "checksum" in told(cut, first[1])
    cut.write_text("")
    assert "is empty" in told(cut, first[1])
    cut.write_bytes(b"\xff\xfe")
    assert "is no text" in told(cut)
    assert "cannot read" in told(tmp_path / "none")
    other = tmp_path / "other"
    with live(other):
        pass
    wrong = refused("rootkey", "import", *map(str, first), "--data", str(other))
    assert str(facts(data)["Fingerprint"]) in wrong
    assert str(facts(other)["Fingerprint"]) in wrong
    assert "on a terminal" in refused("rootkey", "import", "--data", str(data), input="")
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("amounts", ["1/2", "3/2", "2/17", "2", "a/b", "0/0", "2/3/4", "-2/3"])
def test_amounts_that_cannot_be(amounts: str, data: Path, tmp_path: Path) -> None:
    told = refused(
        "rootkey",
        "export",
        f"--shares={amounts}",
        "--into",
        str(tmp_path / "x"),
        "--data",
        str(data),
        status=2,
    )
    assert "is not M/N" in told
    assert not (tmp_path / "x").exists()


def test_shares_are_exported_from_a_running_server_and_printed_when_asked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data):  # in its first run, too, with all still in the database's log
        told = done("rootkey", "export", "--shares", "2/2", "--print", "--data", str(data))
    assert told.count("----- BEGIN SHARE -----") == 2
    assert len(re.findall(r"^server +[0-9a-f]{8}-[0-9a-f-]{27}$", told, re.MULTILINE)) == 2
    assert "BEGIN SHARE" not in (data.parent / "data.log").read_text()
    there = tmp_path / "there"
    there.mkdir()
    refused("rootkey", "export", "--shares", "2/2", "--into", str(there), "--data", str(data))
    (data / "root.key").rename(tmp_path / "lost")
    refused("rootkey", "export", "--shares", "2/2", "--into", str(tmp_path / "new"), "--data", str(data))
    assert not (tmp_path / "new").exists()


def test_a_token_is_named_by_the_setting_and_keeps_its_key(data: Path, token: Token) -> None:
    address, env = token.address(), token.environment
    rotated = keystead("rootkey", "rotate", "--to", address, "--data", str(data), env=env)
    assert rotated.returncode == 0, rotated.stderr
    assert f'root-key = "{address}"' in rotated.stderr
    assert "no setting says so" in refused("account", "list", "--data", str(data), env=env)
    env = {**env, "KEYSTEAD_ROOT_KEY": address}
    with live(data, env=env) as server:
        server.client().ok("CreateKey")
        shown = Path(f"/proc/{server.description['pid']}/cmdline").read_bytes()
        assert b"24681357" not in shown
    assert "24681357" not in server.log.read_text()
    told = refused("rootkey", "export", "--shares", "2/2", "--print", "--data", str(data), env=env)
    assert "can't leave it" in told
    away = token.tokens.with_name("away")
    shutil.move(token.tokens, away)
    token.tokens.mkdir()
    assert "the token keystead is not there" in refused("account", "list", "--data", str(data), env=env)
    assert "is not there" in refused_by_doctor(data, env=env)
    token.tokens.rmdir()
    shutil.move(away, token.tokens)
    token.set_pin("00000000")
    told = refused("account", "list", "--data", str(data), env=env, status=2)
    assert "refuses the PIN" in told
    assert "00000000" not in told
    token.set_pin("24681357")
    assert "Accounts" in done("account", "list", "--data", str(data), env=env)
    note = keystead("rootkey", "rotate", "--to", address, "--data", str(data), env=env).stderr
    assert "is the root key already" in note
    assert "pkcs11:" in refused_by_doctor(data, env=env)


def test_a_passphrase_by_a_descriptor(data: Path, phrase: str) -> None:
    done("rootkey", "rotate", "--to", phrase, "--data", str(data))
    reading, writing = os.pipe()
    os.write(writing, PHRASE.encode())
    os.close(writing)
    env = {"KEYSTEAD_ROOT_KEY": f"passphrase:fd:{reading}"}
    assert "Accounts" in done("account", "list", "--data", str(data), env=env, pass_fds=(reading,))
    os.close(reading)
    assert "cannot read the passphrase" in refused("account", "list", "--data", str(data), env=env)
    told = refused(
        "account",
        "list",
        "--data",
        str(data),
        env={"KEYSTEAD_ROOT_KEY": "passphrase"},
        start_new_session=True,
    )
    assert "asked for on a terminal, and there is none" in told


def test_a_full_disk_leaves_the_old_root_key_in_use(data: Path, tmp_path: Path, phrase: str) -> None:
    before = facts(data)
    for to in ("file", phrase):
        told = without_room(tmp_path, "rootkey", "rotate", "--to", to, "--data", str(data))
        assert told.returncode == 1
        assert told.stderr.startswith("error: ")
    assert facts(data) == before
    assert "Accounts" in done("account", "list", "--data", str(data))
    done("rootkey", "rotate", "--to", "file", "--data", str(data))
    assert "Accounts" in done("account", "list", "--data", str(data))
