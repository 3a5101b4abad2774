"""The anchor: kept in a file, with a program, in a key of another server; what is refused by it, and what is not."""

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live import LiveServer, keystead, live


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def revision(line: str) -> int:
    word, _, number, _, _ = line.split(" ")
    assert word == "keystead-anchor-1"
    return int(number)


def serve(data: Path, *more: str) -> tuple[int, str]:
    told = keystead("serve", "--data", str(data), "--listen", "localhost:0", *more)
    assert "Traceback" not in told.stderr
    return told.returncode, told.stderr


def warnings(server: LiveServer) -> list[str]:
    with urllib.request.urlopen(f"{server.description['ops_url']}/ready", timeout=10) as answer:
        return list(json.load(answer)["warnings"])


def put_back(copy: Path, data: Path) -> None:
    shutil.rmtree(data)
    shutil.copytree(copy, data)


def test_a_file_follows_what_is_committed_and_an_older_copy_is_used_only_if_that_is_meant(
    tmp_path: Path,
) -> None:
    data, file = tmp_path / "data", tmp_path / "anchor"
    more = ("--anchor", str(file))
    with live(data, *more) as server:
        server.client().ok("CreateKey")
        until(lambda: file.exists() and revision(file.read_text()) >= 2)
        before = revision(file.read_text())
        server.client().ok("CreateKey")
        until(lambda: revision(file.read_text()) > before)
        server.client().ok("ListKeys")  # a record, and no revision; a stop anchors it at once
        assert os.stat(file).st_mode & 0o777 == 0o600
    shutil.copytree(data, tmp_path / "copy")
    with live(data, *more) as server:
        last = server.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
    seen = revision(file.read_text())
    put_back(tmp_path / "copy", data)
    status, told = serve(data, *more)
    assert status == 1
    assert "the database is an older copy: it is at revision" in told
    assert f"has seen revision {seen} with record" in told
    assert "--accept-older-copy" in told
    assert revision(file.read_text()) == seen
    with live(data, *more, "--accept-older-copy") as server:
        until(lambda: server.client().call("ListKeys")[0] == 200)  # those of its first second are refused
        assert server.client().call("DescribeKey", KeyId=last)[0] == 404
    assert revision(file.read_text()) > seen
    with live(data, *more) as server:
        server.client().ok("ListKeys")
    listed = keystead("audit", "list", "--json", "--action", "AcceptOlderCopy", "--data", str(data))
    (record,) = map(json.loads, listed.stdout.splitlines())
    assert f"has seen revision {seen}" in record["parameters"]["Why"]


def test_a_copy_of_the_same_revision_with_fewer_records_is_older_too(tmp_path: Path) -> None:
    data, more = tmp_path / "data", ("--anchor", str(tmp_path / "anchor"))
    with live(data, *more) as server:
        server.client().ok("CreateKey")
    shutil.copytree(data, tmp_path / "copy")
    with live(data, *more) as server:
        for _ in range(3):
            server.client().ok("ListKeys")
    put_back(tmp_path / "copy", data)
    status, told = serve(data, *more)
    assert (status, "its audit log ends with record" in told or "is at revision" in told) == (1, True)


def test_an_anchor_that_was_altered_or_is_anothers_is_refused(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "anchor"
    more = ("--anchor", str(file))
    with live(data, *more) as server:
        server.client().ok("CreateKey")
    line = file.read_text()
    number = f" {revision(line)} "
    for bad in ("", "x", line.replace(number, " 1 "), line[:-9], "keystead-anchor-1 a b c d"):
        file.write_text(bad)
        status, told = serve(data, *more)
        assert status == 1, bad
        assert "was altered, or is that of another server" in told
    with live(tmp_path / "other", "--anchor", str(tmp_path / "others")) as server:
        server.client().ok("CreateKey")
    assert serve(data, "--anchor", str(tmp_path / "others"))[0] == 1
    file.write_text(line)
    with live(data, *more) as server:
        server.client().ok("ListKeys")


def test_an_anchor_that_fails_is_an_alarm_and_no_outage(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    with live(tmp_path / "data", "--anchor", str(folder / "anchor")) as server:
        client = server.client()
        client.ok("CreateKey")
        until((folder / "anchor").exists)
        shutil.rmtree(folder)
        client.ok("CreateKey")
        until(lambda: any("is not written" in one for one in warnings(server)))
        client.ok("CreateKey")
        doctor = keystead("doctor", "--data", str(server.data))
        assert "is not written" in doctor.stdout
        folder.mkdir()
        until(lambda: not warnings(server))
        assert "anchor written again" in server.log.read_text()
    shutil.rmtree(folder)
    with live(tmp_path / "data", "--anchor", str(folder / "anchor")) as server:
        server.client().ok("CreateKey")  # there is none to compare with, which is told
        assert "there is no anchor yet" in server.log.read_text()


def test_a_program_keeps_it(tmp_path: Path) -> None:
    kept, program = tmp_path / "kept", tmp_path / "keep it"
    program.write_text(
        '#!/bin/sh\ncase "$2" in read) cat "$1" 2>/dev/null || true;; write) cat > "$1";; *) exit 9;; esac\n'
    )
    program.chmod(0o755)
    more = ("--anchor", f"exec:'{program}' {kept}")
    with live(tmp_path / "data", *more) as server:
        server.client().ok("CreateKey")
    seen = revision(kept.read_text())
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    with live(tmp_path / "data", *more) as server:
        server.client().ok("CreateKey")
    assert revision(kept.read_text()) > seen
    put_back(tmp_path / "copy", tmp_path / "data")
    assert "has seen revision" in serve(tmp_path / "data", *more)[1]
    program.write_text("#!/bin/sh\necho no room >&2\nexit 3\n")
    with live(tmp_path / "data", *more) as server:
        server.client().ok("CreateKey")
        until(lambda: any("ended with status 3: no room" in one for one in warnings(server)))


def test_a_key_of_another_server_keeps_it(tmp_path: Path) -> None:
    with live(tmp_path / "other") as other:
        key_id = other.client().ok("CreateKey")["KeyMetadata"]["KeyId"]
        url = other.description["url"]
        more = (
            *("--anchor", f"kms:{key_id}@{url}"),
            *("--anchor-access-key", str(other.data / "root-access-key.json")),
            *("--anchor-ca", str(other.data / "ca.pem")),
        )

        def seen() -> int:
            return revision(other.client().ok("DescribeKey", KeyId=key_id)["KeyMetadata"]["Description"])

        with live(tmp_path / "data", *more) as server:
            server.client().ok("CreateKey")
        first = seen()
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
        with live(tmp_path / "data", *more) as server:
            server.client().ok("CreateKey")
        assert seen() > first
        put_back(tmp_path / "copy", tmp_path / "data")
        assert "has seen revision" in serve(tmp_path / "data", *more)[1]
        other.client().ok("UpdateKeyDescription", KeyId=key_id, Description="the key of our payroll")
        with live(tmp_path / "data", *more) as server:
            assert "has a description that is no anchor" in server.log.read_text()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--anchor", "DATA/anchor"), "in the data directory itself"),
        (("--anchor", "/tmp"), "is a directory"),
        (("--anchor", "exec:"), "names no program"),
        (("--anchor", "exec:'unended"), "names no program"),
        (("--anchor", "kms:"), "names no key of a server"),
        (("--anchor", "kms:key@"), "names no key of a server"),
        (("--anchor", "kms:key@https://localhost:1"), "needs an AccessKey"),
        (("--anchor", "kms:key@nowhere", "--anchor-access-key", "x"), "is not an endpoint"),
        (
            ("--anchor", "kms:key@https://localhost:1", "--anchor-access-key", "none"),
            "there is no AccessKey file",
        ),
        (("--anchor-access-key", "x"), "for an anchor in a key, and there is none"),
        (("--anchor", "/tmp/a", "--anchor-ca", "x"), "for an anchor in a key, and there is none"),
    ],
)
def test_what_is_no_place_for_an_anchor_is_told_before_anything_is_made(
    more: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    words = tuple(word.replace("DATA", str(data)) for word in more)
    status, said = serve(data, *words)
    assert (status in (1, 2), told in said, "hint: " in said) == (True, True, True), said
    assert not data.exists()
