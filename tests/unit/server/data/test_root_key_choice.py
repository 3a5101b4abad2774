from pathlib import Path

import pytest

from keystead.errors import WrongSetting
from keystead.server.data.root_key_choice import Choice, KmsKey, choose, is_local


@pytest.mark.parametrize(
    "text",
    [
        "file",
        "file:/a/root.key",
        "credential:root-key",
        "passphrase",
        "passphrase:fd:3",
        "passphrase:credential:phrase",
        "passphrase:file:/a/phrase",
        "pkcs11:token=t;object=o?module-path=/m.so&pin-source=file:/pin",
        "kms:https://kms.example.org:8443?key=alias/root",
        "kms:https://kms.cn-hangzhou.aliyuncs.com?key=k-1&region=cn-hangzhou&access-key=/a.json&ca=/ca.pem",
    ],
)
def test_what_there_is(text: str) -> None:
    found = choose(text)
    assert found.text == text
    assert choose(found.text) == found
    assert is_local(text) == text.startswith(("file", "credential", "passphrase"))


def test_paths_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert choose("file:root.key") == Choice("file", f"{tmp_path}/root.key")
    assert choose("passphrase:file:phrase").place == f"file:{tmp_path}/phrase"
    assert choose("kms:https://kms/?key=a%20b&access-key=a.json").kms == KmsKey(
        endpoint="https://kms", key="a b", access_key=f"{tmp_path}/a.json"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "files",
        "File",
        "/etc/root.key",
        "file:",
        "credential",
        "credential:a/b",
        "passphrase:",
        "passphrase:my secret words",
        "pkcs11",
        "pkcs11:token=t",
        "pkcs11:token=t;object=o?module-path=/m.so&pin-source=1234",
        "kms",
        "kms:",
        "kms:https://kms",
        "kms:https://kms?key=",
        "kms:https://kms?key=a&key=b",
        "kms:https://kms?key=a&secret=b",
        "kms:http://kms?key=a",
        "kms:https://me:secret@kms?key=a",
        "kms:https://kms/path?key=a",
        "kms:https:///?key=a",
        "kms:https://[?key=a",
        "tpm2",
    ],
)
def test_what_there_is_not(text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        choose(text)
    assert caught.value.hint
    assert "secret words" not in caught.value.message + caught.value.hint
    assert "1234" not in caught.value.message + caught.value.hint
    assert "me:secret" not in caught.value.message + caught.value.hint


def test_what_was_meant() -> None:
    with pytest.raises(WrongSetting) as caught:
        choose("passphrse")
    assert caught.value.hint == "did you mean passphrase?"


def test_what_a_person_is_needed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    pkcs11 = "pkcs11:token=t;object=o?module-path=/m.so"
    for text in (
        "passphrase",
        "passphrase:fd:3",
        "credential:a",
        pkcs11,
        f"{pkcs11}&pin-source=credential:a",
    ):
        assert choose(text).missing
    for text in ("file", "passphrase:file:/a", f"{pkcs11}&pin-source=file:/pin", "kms:https://kms?key=a"):
        assert choose(text).missing == ""
