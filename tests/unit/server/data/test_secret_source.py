import os
import pty
from pathlib import Path

import pytest

from keystead.errors import OperatorError, WrongSetting
from keystead.server.data.secret_source import MOST, Source, is_credential

CANARY = "canary in the secret"


def refusal(source: Source) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        source.read("the secret")
    assert caught.value.hint
    assert CANARY not in caught.value.message + caught.value.hint
    return caught.value


def written(path: Path, content: bytes = CANARY.encode() + b"\n", mode: int = 0o600) -> Source:
    path.write_bytes(content)
    path.chmod(mode)
    return Source(f"file:{path}")


@pytest.mark.parametrize(
    "text",
    [
        "fd",
        "fd:",
        "fd:x",
        "fd:²",
        "fd:123456",
        "file:",
        "credential:",
        "credential:a/b",
        "credential:..",
        CANARY,
    ],
)
def test_what_is_no_source_is_not_shown(text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        Source(text)
    assert CANARY not in caught.value.message + caught.value.hint


def test_names_of_credentials() -> None:
    assert is_credential("a" * 255)
    assert not is_credential("a" * 256)
    assert not is_credential("")
    assert not is_credential("a\0")


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    for content in (b"", b"\n", b"\r\n"):
        assert written(path, CANARY.encode() + content).read("the secret") == CANARY
    assert written(path, b"x" * MOST).read("the secret") == "x" * MOST
    for content, why in (
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\nb\n", "is not one line"),
        (b"a\0b", "is not one line"),
        (b"x" * (MOST + 1), "is not one line"),
        (b"\xff", "is no text in UTF-8"),
    ):
        assert why in refusal(written(path, content)).message
    assert "open to other users (mode 0640)" in refusal(written(path, mode=0o640)).message
    written(path, mode=0o400).read("the secret")
    assert "No such file" in refusal(Source(f"file:{tmp_path}/none")).message
    assert "is not a plain file" in refusal(Source(f"file:{tmp_path}")).message


def test_a_path_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home-of-mine")
    assert Source("file:secret").text == f"file:{tmp_path}/secret"
    assert Source("file:~/secret").text == "file:/home-of-mine/secret"
    assert Source("fd:3").text == "fd:3"
    assert Source("").text == ""


def test_a_descriptor_is_read_to_its_end_and_closed() -> None:
    reading, writing = os.pipe()
    os.write(writing, CANARY.encode() + b"\n")
    os.close(writing)
    assert Source(f"fd:{reading}").read("the secret") == CANARY
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)
    assert "Bad file descriptor" in refusal(Source(f"fd:{reading}")).message


def test_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("credential:name")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "this process was given none" in refusal(source).message
    assert source.missing
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert source.missing == ""
    assert "cannot read the credential name" in refusal(source).message
    written(tmp_path / "name", mode=0o440)  # as systemd has them, for whom it gave them to
    assert source.read("the secret") == CANARY


def test_which_are_not_there_without_a_person() -> None:
    assert Source("").missing
    assert Source("fd:3").missing
    assert Source("file:/nowhere").missing == ""


def on_a_terminal(typed: str, *, twice: bool = False) -> str:
    """What a program says that reads a secret from a terminal on which this is typed."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - another process
        try:
            found = Source("").read("the secret", twice=twice)
            os.write(1, f"<{len(found)}>".encode())
        except OperatorError as problem:
            os.write(1, problem.message.encode())
        finally:
            os._exit(0)
    told = b""
    for line in typed.splitlines(keepends=True) or ["\x04"]:
        while not told.endswith(b": "):
            told += os.read(terminal, 1000)
        os.write(terminal, line.encode())
        told += b"|"
    try:
        while more := os.read(terminal, 1000):
            told += more
    except OSError:
        pass  # the other end is closed
    os.waitpid(process, 0)
    os.close(terminal)
    return told.decode()


def test_a_terminal_asks_without_an_echo() -> None:
    told = on_a_terminal(f"{CANARY}\n")
    assert told.endswith(f"<{len(CANARY)}>")
    assert CANARY not in told
    told = on_a_terminal(f"{CANARY}\n{CANARY}\n", twice=True)
    assert "the secret, again: " in told
    assert told.endswith(f"<{len(CANARY)}>")
    assert "the two are not the same" in on_a_terminal(f"{CANARY}\nother\n", twice=True)
    assert "the secret is empty" in on_a_terminal("\n")
    assert "the secret is empty" in on_a_terminal("")
