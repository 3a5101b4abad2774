import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keystead.clock import FixedClock, SystemClock
from keystead.crypto.authority import Authority, make_authority
from keystead.domain.authorities import LOCAL
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError, WrongSetting
from keystead.server import logs, preflight
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.network import confinement
from keystead.server.preflight import check, fronted
from keystead.settings import Settings

DAY = 86_400
CLOCK = SystemClock()


def made(folder: Path, **more: Any) -> Settings:
    found: dict[str, Any] = {"data": str(folder / "data"), "listen": "localhost:0", **more}
    return Settings(**found)


def refused(folder: Path, running: Settings | None = None, /, **more: Any) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        check(made(folder, **more), CLOCK, running)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"listen": "8443"}, "'8443' is not an address"),
        ({"ops_listen": "localhost"}, "'localhost' is not an address"),
        (
            {"listen": "localhost:1", "ops_listen": "localhost:1"},
            "listen and ops-listen are both localhost:1",
        ),
        ({"listen": "0.0.0.0:0", "http": True}, "plain HTTP on 0.0.0.0"),
        ({"front_process": "no", "front_confinement": "yes"}, "there is no front process"),
        ({"name": ("not a name",)}, "neither a host name nor an IP address"),
        ({"checkpoint_command": "curl 'https://x"}, "checkpoint-command has a quote that does not end"),
        ({"checkpoint_command": "/nowhere/curl -T -"}, "checkpoint-command names no program"),
    ],
)
def test_what_trying_again_will_not_mend(tmp_path: Path, more: dict[str, Any], told: str) -> None:
    problem = refused(tmp_path, **more)
    assert isinstance(problem, WrongSetting)
    assert told in problem.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"http": True},
        {"ops_listen": "localhost:0"},
        {"listen": "localhost:0", "ops_listen": "localhost:0"},
        {"front_process": "yes"},
        {"name": ("kms.example.org", "198.51.100.7")},
        {"listen": "0.0.0.0:0"},
    ],
)
def test_what_is_right_is_let_through_and_nothing_is_made(tmp_path: Path, more: dict[str, Any]) -> None:
    check(made(tmp_path, **more), CLOCK)
    assert list(tmp_path.iterdir()) == []


def test_what_another_try_may_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for more, told in (
        ({"tls_cert": "/nowhere/c", "tls_key": "/nowhere/k"}, "cannot read /nowhere/c"),
        ({"log_file": "/nowhere/log"}, "cannot open the log file /nowhere/log: No such file or directory"),
        ({"log_file": str(tmp_path)}, "Is a directory"),
        ({"seed": "/nowhere/seed.toml"}, "cannot read the seed"),
        ({"data": str(tmp_path / "file" / "data")}, "is not a directory"),
        ({"data": str(tmp_path / "file")}, "is not a directory"),
        ({"listen": "198.51.100.7:0"}, "cannot listen on 198.51.100.7:0"),
        ({"listen": "no.such.host.invalid:0"}, "cannot listen on no.such.host.invalid:0"),
        ({"ops_listen": "198.51.100.7:1"}, "cannot listen on 198.51.100.7:1"),
    ):
        problem = refused(tmp_path, **more)
        assert not isinstance(problem, WrongSetting)
        assert told in problem.message
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    check(made(tmp_path, log_file=str(tmp_path / "log")), CLOCK)
    assert not (tmp_path / "log").exists()


def test_what_the_user_may_not_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_text("")
    (tmp_path / "data").mkdir()
    locked: set[Path] = set()
    # Tests that run as root may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) not in locked)
    for place, more in (
        ("log", {"log_file": str(tmp_path / "log")}),
        ("", {"log_file": str(tmp_path / "other.log")}),
        ("data", {}),
        ("", {"data": str(tmp_path / "a" / "b")}),
    ):
        check(made(tmp_path, **more), CLOCK)
        locked.add(tmp_path / place)
        assert (
            "Permission denied" in (told := refused(tmp_path, **more).message) or "cannot be written" in told
        )
        locked.clear()


def test_a_port_that_is_taken_now_is_no_fault_of_the_settings(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        check(made(tmp_path, listen=f"127.0.0.1:{taken.getsockname()[1]}"), CLOCK)


def test_where_a_front_process_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for processors, wanted, expected in (
        (1, "auto", False), (2, "auto", True), (1, "yes", True), (2, "no", False),
    ):  # fmt: skip
        monkeypatch.setattr(preflight, "PROCESSORS", processors)
        assert fronted(made(tmp_path, front_process=wanted)) is expected


def test_confinement_that_is_demanded_and_not_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both: dict[str, Any] = {"front_process": "yes", "front_confinement": "yes"}
    monkeypatch.setattr(confinement, "missing", lambda: ())
    check(made(tmp_path, **both), CLOCK)
    monkeypatch.setattr(confinement, "missing", lambda: ("Landlock: none",))
    problem = refused(tmp_path, **both)
    assert isinstance(problem, WrongSetting)
    assert "cannot be confined: Landlock: none" in problem.message
    check(made(tmp_path, front_process="yes"), CLOCK)


def with_authority(folder: Path) -> None:
    directory = DataDirectory(folder / "data")
    directory.prepare()
    directory.lock()
    opened = open_store(directory, CLOCK, SystemEntropy())
    opened.store.begin()
    opened.store.authorities.replace([make_authority(opened.vault, LOCAL, int(CLOCK.now()), SystemEntropy())])
    opened.store.commit()
    opened.store.close()
    directory.unlock()


def test_a_name_that_the_servers_own_ca_may_not_issue_for(tmp_path: Path) -> None:
    with_authority(tmp_path)
    check(made(tmp_path, name=("a.localhost",)), CLOCK)
    problem = refused(tmp_path, name=("kms.example.org",))
    assert "may not issue for kms.example.org" in problem.message
    assert f"keystead ca rotate --data {tmp_path}/data --name kms.example.org" in problem.hint
    # Plain HTTP and a certificate of one's own have no need of it.
    check(made(tmp_path, http=True, name=("kms.example.org",)), CLOCK)
    far = FixedClock(CLOCK.now() + 20 * 365 * DAY)
    with pytest.raises(OperatorError, match="expired"):
        check(made(tmp_path), far)
    # What is no database tells nothing; the start says what it is.
    (tmp_path / "data" / "keystead.db").write_text("nonsense")
    check(made(tmp_path, name=("kms.example.org",)), CLOCK)


def test_a_ca_is_made_at_the_start_and_not_missed_before(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.prepare()
    directory.lock()
    open_store(directory, CLOCK, SystemEntropy()).store.close()
    directory.unlock()
    check(made(tmp_path, name=("kms.example.org",)), CLOCK)


def own(folder: Path) -> dict[str, Any]:
    authority = Authority.create("own", dns=["localhost"], addresses=[], now=CLOCK.now(), lifetime=DAY)
    leaf = authority.issue(["localhost"], [], CLOCK.now(), DAY)
    (folder / "cert.pem").write_bytes(leaf.certificate_pem)
    (folder / "key.pem").touch(0o600)
    (folder / "key.pem").write_bytes(leaf.key_pem)
    return {"tls_cert": str(folder / "cert.pem"), "tls_key": str(folder / "key.pem")}


def test_a_server_that_runs_has_its_addresses_and_looks_after_its_certificate(tmp_path: Path) -> None:
    pair = own(tmp_path)
    running = made(tmp_path, **pair, listen="198.51.100.7:0", ops_listen="198.51.100.7:1")
    (tmp_path / "cert.pem").write_text("half")
    check(running, CLOCK, running)
    other = msgspec.structs.replace(running, idle_seconds=5)
    check(other, CLOCK, running)
    # What the file says anew is for the next start, too.
    problem = refused(tmp_path, running, tls_cert="/nowhere", tls_key=pair["tls_key"])
    assert "cannot read /nowhere" in problem.message
    assert "cannot listen" in refused(tmp_path, running, listen="198.51.100.8:0").message
    assert "cannot listen" in refused(tmp_path, running, ops_listen="198.51.100.8:1").message
    own(tmp_path)
    check(made(tmp_path, **pair), CLOCK)


def test_the_root_key_is_not_needed(tmp_path: Path) -> None:
    with_authority(tmp_path)
    root = tmp_path / "data" / "root.key"
    root.unlink()
    check(made(tmp_path), CLOCK)
    assert not root.exists()


@contextmanager
def closed(folder: Path) -> Iterator[Path]:
    """A folder that cannot be looked into: root, who looks into all, becomes somebody else meanwhile."""
    folder.mkdir(mode=0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(before)


def test_what_lies_where_nobody_may_look_is_refused_in_words(tmp_path: Path) -> None:
    # Where pytest keeps its folders is closed to others as well, so a name beneath is all that counts.
    with closed(tmp_path / "closed") as folder:
        for problem in (
            refused(folder, data=str(folder / "a" / "b")),
            refused(folder, data=str(folder / "a")),
        ):
            assert problem.message.endswith(": Permission denied")
            assert problem.hint
        with pytest.raises(OperatorError, match=r"cannot look into .*: Permission denied"):
            DataDirectory(folder / "a").check_access()
        with pytest.raises(OperatorError, match=r"cannot open the log file .*: Permission denied"):
            logs.check_file(str(folder / "log"))


@pytest.mark.parametrize("length", [255, 256])
def test_what_no_file_can_be_called_is_refused_in_words(length: int, tmp_path: Path) -> None:
    path = str(tmp_path / ("a" * length))
    if length == 255:
        check(made(tmp_path, data=path), CLOCK)
        check(made(tmp_path, log_file=path), CLOCK)
        DataDirectory(path).check_access()
        return
    problem = refused(tmp_path, data=path)
    assert (problem.message, problem.hint) == (
        f"cannot look into {path}: File name too long", "name another directory with --data"
    )  # fmt: skip
    assert refused(tmp_path, log_file=path).message == f"cannot open the log file {path}: File name too long"
    for ask in (DataDirectory(path).check_access, DataDirectory(path).prepare):
        with pytest.raises(OperatorError, match="File name too long"):
            ask()


def test_checkpoints_belong_elsewhere(tmp_path: Path) -> None:
    for inside in (tmp_path / "data", tmp_path / "data" / "checkpoints"):
        problem = refused(tmp_path, checkpoint_folder=(str(tmp_path), str(inside)))
        assert isinstance(problem, WrongSetting)
        assert "is in the data directory" in problem.message
    # One that is not there is told by the log: a disk that is not mounted must not keep a server from its start.
    check(made(tmp_path, checkpoint_folder=(str(tmp_path / "none"),), checkpoint_command="cat"), CLOCK)
