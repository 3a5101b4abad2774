"""`keystead run --log`: every call has its line, whatever server and client, and the command never suffers from it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import KEYSTEAD, keystead, live, needs

SECRET = "a secret plaintext"
CLASSIC = f"""
import os
from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.EncryptRequest import EncryptRequest
client = AcsClient(os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "cn-hangzhou")
request = EncryptRequest()
request.set_KeyId(os.environ["KEY"])
request.set_Plaintext("{SECRET}")
client.do_action_with_exception(request)
"""
KEYSTEAD_KMS = " ".join([*KEYSTEAD, "kms"])
# A command of ours, which needs no proxy, and an official client, which goes by way of it.
SCRIPT = f"""
KEY=$({KEYSTEAD_KMS} CreateKey --query KeyMetadata.KeyId --output text) && export KEY
{sys.executable} -W ignore -c '{CLASSIC.replace("'", chr(34))}'
{KEYSTEAD_KMS} DescribeKey --KeyId none
printf done
"""


def words(text: str) -> list[list[str]]:
    return [one.split(" ") for one in text.splitlines()]


def check(lines: list[list[str]]) -> None:
    assert [(one[1], one[3], one[4]) for one in lines] == [
        ("CreateKey", "200", "-"),
        ("Encrypt", "200", "-"),
        ("DescribeKey", "404", "Forbidden.KeyNotFound"),
        ("ListKeys", "200", "-"),  # the command looks for the key that was meant
    ]
    assert lines[0][2] == lines[1][2] != "-"
    assert {len(one) for one in lines} == {8}
    assert len({one[6] for one in lines}) == 1
    assert all(len(one[7]) == 36 for one in lines)


@pytest.mark.parametrize("where", ["private", "data", "endpoint"])
def test_every_call_has_its_line_whatever_server(where: str, tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    log.write_text("an earlier line\n")
    with live(tmp_path / "data") as server:
        found, pair = server.description, server.client().access_key
        options = {
            "private": [],
            "data": ["--data", str(server.data)],
            "endpoint": ["--endpoint", found["url"], "--ca", found["ca_file"]],
        }[where]
        env = {"ALIBABA_CLOUD_ACCESS_KEY_ID": pair[0], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": pair[1]}
        told = keystead("run", "--log", str(log), *options, "--", "sh", "-c", SCRIPT, env=env)
    assert (told.stdout, told.returncode) == ("done", 0), told.stderr
    text = log.read_text()
    assert text.startswith("an earlier line\n")
    check(words(text)[1:])
    assert SECRET not in text
    assert pair[1] not in text


def test_standard_error_and_a_call_of_another_product() -> None:
    needs("curl")
    script = f"{SCRIPT}\ncurl -s -o /dev/null 'https://ram.aliyuncs.com/?Action=ListUsers&Password=hidden'"
    told = keystead("run", "--log", "-", "--", "sh", "-c", script)
    assert told.stdout == "done"
    lines = [one for one in words(told.stderr) if len(one) == 8 and one[5].endswith("ms")]
    check(lines[:-1])
    assert lines[-1][1:5] == ["ListUsers", "-", "400", "MissingParameter"]
    assert "hidden" not in told.stderr


def test_a_full_disk_is_told_and_breaks_nothing() -> None:
    told = keystead("run", "--log", "/dev/full", "--", *KEYSTEAD, "kms", "ListKeys", "--query", "TotalCount")
    assert (told.stdout.strip(), told.returncode) == ("0", 0)
    assert "the log /dev/full is not complete: No space left on device" in told.stderr
    script = 'exec "$@" 2>/dev/full'  # where even that can't be told
    for file in ("/dev/full", "-"):
        command = [*KEYSTEAD, "run", "--log", file, "--", *KEYSTEAD, "kms", "ListKeys"]
        assert subprocess.run(["sh", "-c", script, "sh", *command], check=False, timeout=60).returncode == 0


def test_a_log_that_can_not_be_written_is_told_before_the_command_begins(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    for file, reason in ((tmp_path / "none" / "log", "No such file"), (tmp_path, "Is a directory")):
        told = keystead("run", "--log", str(file), "--", "touch", str(begun))
        assert (told.returncode, told.stdout) == (125, "")
        assert told.stderr.startswith(f"error: cannot write the log {file}: {reason}")
    assert not begun.exists()
    told = keystead("run", "--log", "--", "true")
    assert (told.returncode, "expected one argument" in told.stderr) == (2, True)


def test_a_server_that_is_gone_is_told_as_what_the_client_was_told(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        script = f"rm {server.data}/server.json; {KEYSTEAD_KMS} ListKeys"
        told = keystead("run", "--log", "-", "--data", str(server.data), "--", "sh", "-c", script)
    assert told.returncode == 3
    assert " ListKeys - 503 ServiceUnavailable " in told.stderr
