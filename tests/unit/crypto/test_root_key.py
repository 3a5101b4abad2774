import os
import pickle
from pathlib import Path

import pytest

from keystead.crypto import root_key
from keystead.crypto.sealing import Unopenable
from keystead.entropy import SeededEntropy, SystemEntropy
from keystead.errors import OperatorError


def made(tmp_path: Path) -> Path:
    path = tmp_path / "root.key"
    root_key.create_file(path, SystemEntropy())
    return path


def refusal(path: Path) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        root_key.read_file(path, SystemEntropy())
    assert caught.value.hint
    return caught.value


def test_a_root_key_file_is_read_as_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    first = root_key.create_file(path, SystemEntropy())
    assert path.stat().st_mode & 0o777 == 0o600
    second = root_key.read_file(path, SystemEntropy())
    assert first.fingerprint == second.fingerprint
    assert second.unwrap(b"facts", first.wrap(b"facts", b"x")) == b"x"
    with pytest.raises(Unopenable):
        second.unwrap(b"other", first.wrap(b"facts", b"x"))


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    path = made(tmp_path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        root_key.create_file(path, SystemEntropy())
    assert path.read_bytes() == before


def test_a_file_may_be_of_a_key_that_is_given(tmp_path: Path) -> None:
    made = root_key.create_file(tmp_path / "root.key", SystemEntropy(), bytes(range(32)))
    assert made.reveal() == bytes(range(32))
    assert root_key.read_file(tmp_path / "root.key", SystemEntropy()).reveal() == made.reveal()


def test_where_no_file_can_be_made(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot write the root key file"):
        root_key.create_file(tmp_path / "nowhere" / "root.key", SystemEntropy())


def test_missing(tmp_path: Path) -> None:
    assert "missing" in refusal(tmp_path / "root.key").message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_open_to_others(tmp_path: Path, mode: int) -> None:
    path = made(tmp_path)
    path.chmod(mode)
    assert "open to other users" in refusal(path).message


def test_read_only_for_the_owner_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    fingerprint = root_key.create_file(path, SystemEntropy()).fingerprint
    path.chmod(0o400)
    assert root_key.read_file(path, SystemEntropy()).fingerprint == fingerprint


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(made(tmp_path))
    assert "cannot read" in refusal(link).message


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    assert "directory" in refusal(tmp_path / "d").message


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p", 0o600)
    assert "plain file" in refusal(tmp_path / "p").message


def test_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert "another user" in refusal(path).message


def damaged() -> list[bytes]:
    text = b"keystead root key 1\n" + b"A" * 43 + b"=\n" + b"0" * 16 + b"\n"
    return [b"", text, text[:30], text.replace(b"key 1", b"key 2"), text + b"x", b"\xff" * 100, b"a\n!\nb\n"]


@pytest.mark.parametrize("content", damaged())
def test_damaged_or_truncated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "root.key"
    path.write_bytes(content)
    path.chmod(0o600)
    assert "damaged or truncated" in refusal(path).message


def test_every_truncation_is_found(tmp_path: Path) -> None:
    path = made(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert "damaged or truncated" in refusal(path).message


def test_two_ephemeral_keys_differ() -> None:
    entropy = SeededEntropy()
    assert root_key.ephemeral(entropy).fingerprint != root_key.ephemeral(entropy).fingerprint


def test_half_a_root_key_is_never_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(root_key, "sync", full)
    with pytest.raises(OperatorError, match=r"cannot write the root key file .*: No space left on device"):
        root_key.create_file(tmp_path / "root.key", SystemEntropy())
    assert list(tmp_path.iterdir()) == []


def test_a_root_key_shows_itself_to_nobody() -> None:
    made = root_key.ephemeral(SeededEntropy())
    assert repr(made) == "<SoftwareRootKey>"
    with pytest.raises(TypeError):
        pickle.dumps(made)
