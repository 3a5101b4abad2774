"""The same call as a command and as a program: what is shown works."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from keystead.console.same_call import Given, as_command, as_program
from keystead.domain.products import KMS, RAM
from tests.live import keystead

_HOSTILE = """a'b"c $(id) \\ `x`\n;"""


def test_values_are_quoted_for_the_shell() -> None:
    command = as_command(RAM, "UpdateUser", [Given("UserName", "deploy"), Given("NewComments", _HOSTILE)])
    words = command.replace("keystead ram UpdateUser", "printf '%s|'")
    ended = subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True, check=True)
    assert ended.stdout == f"--UserName|deploy|--NewComments|{_HOSTILE}|"


def test_values_are_literals_of_python() -> None:
    program = as_program(KMS, "TagResource", [Given("Tags", _HOSTILE), Given("KeyId", "k")], "cn-hangzhou")
    line = next(line for line in program.splitlines() if '"Tags"' in line)
    found: list[str] = []
    eval(line.replace("request.add_query_param", "found.append"), {"found": _Second(found)})
    assert found == [_HOSTILE]


class _Second:
    def __init__(self, found: list[str]) -> None:
        self._found = found

    def append(self, name: str, value: str) -> None:
        self._found.append(value)


@pytest.mark.interop
def test_what_is_shown_does_it_under_run(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"
    (tmp_path / "key.pem").write_text(pem)
    encrypt = [Given("KeyId", "alias/web"), Given("Plaintext", file="key.pem")]
    decrypt = [Given("CiphertextBlob", file="key.pem.cipher", read="line")]
    sign = [
        Given("KeyId", "alias/sign"),
        Given("KeyVersionId", "@"),
        Given("Algorithm", "ECDSA_SHA_256"),
        Given("Digest", file="key.pem", read="sha256"),
    ]
    mac = [
        Given("KeyId", "alias/mac"),
        Given("Message", file="key.pem", read="base64"),
        Given("Algorithm", "HMAC_SHA_256"),
    ]
    (tmp_path / "encrypt.py").write_text(as_program(KMS, "Encrypt", encrypt, "cn-hangzhou"))
    (tmp_path / "decrypt.py").write_text(as_program(KMS, "Decrypt", decrypt, "cn-hangzhou"))
    (tmp_path / "mac.py").write_text(as_program(KMS, "GenerateMac", mac, "cn-hangzhou"))
    python = f"{sys.executable} -W ignore"
    script = f"""
set -e
keystead() {{ {sys.executable} -m keystead "$@"; }}
key() {{ keystead kms CreateKey "$@" -q KeyMetadata.KeyId; }}
keystead kms CreateAlias --AliasName alias/web --KeyId "$(key)" > /dev/null
keystead kms CreateAlias --AliasName alias/sign --KeyId "$(key --KeySpec EC_P256)" > /dev/null
keystead kms CreateAlias --AliasName alias/mac --KeyId "$(key --KeySpec HMAC_SHA_256)" > /dev/null
version=$(keystead kms ListKeyVersions --KeyId alias/sign -q 'KeyVersions.KeyVersion[0].KeyVersionId')
{as_command(KMS, "Encrypt", encrypt)} -q CiphertextBlob > key.pem.cipher
{python} decrypt.py
{python} encrypt.py
{as_command(KMS, "Decrypt", decrypt)}
{as_command(KMS, "AsymmetricSign", sign).replace("@", '"$version"')}
{as_command(KMS, "GenerateMac", mac)}
{python} mac.py
"""
    ended = keystead("run", "--", "/bin/sh", "-c", script, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    decoder, text, found = json.JSONDecoder(), ended.stdout.strip(), []
    while text:
        one, end = decoder.raw_decode(text)
        found.append(one)
        text = text[end:].strip()
    opened, encrypted, again, signed, made, by_program = found
    assert opened["Plaintext"] == again["Plaintext"] == pem
    assert encrypted["CiphertextBlob"]
    assert base64.b64decode(signed["Value"])
    assert made["Mac"] == by_program["Mac"]
    assert len(base64.b64decode(made["Mac"])) == hashlib.sha256().digest_size
