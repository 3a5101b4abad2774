"""The lines of the log of `run`: eight words, and never what may be secret."""

import os
import resource
from pathlib import Path
from urllib.parse import urlencode

import pytest

from keystead.api.http.message import HttpRequest, HttpResponse
from keystead.cli.call_log import CallLog, line
from keystead.clock import FixedClock
from keystead.errors import OperatorError

NOW = 1_767_323_045.0
SECRET = "c2VjcmV0IHBsYWludGV4dA"


def asked(headers: dict[str, str] | None = None, /, **parameters: str) -> HttpRequest:
    given = {"Version": "2016-01-20", "AccessKeyId": "LTAI1234567890ab", **parameters}
    return HttpRequest(method="POST", target=f"/?{urlencode(given)}", headers=headers or {})


def answered(body: str, status: int = 200) -> HttpResponse:
    return HttpResponse(status=status, content_type="application/json", body=body.encode())


def test_a_line_has_eight_words() -> None:
    request = asked(Action="Encrypt", KeyId="alias/work", Plaintext=SECRET, EncryptionContext=SECRET)
    told = line(
        NOW, request, answered(f'{{"KeyId": "k", "CiphertextBlob": "{SECRET}", "RequestId": "r-1"}}'), 0.00184
    )
    assert told == "2026-01-02T03:04:05Z Encrypt alias/work 200 - 1.8ms LTAI1234567890ab r-1"


@pytest.mark.parametrize(
    ("parameters", "body", "resource"),
    [
        ({"Action": "Decrypt", "CiphertextBlob": SECRET}, f'{{"KeyId": "k", "Plaintext": "{SECRET}"}}', "k"),
        ({"Action": "CreateKey", "Description": SECRET}, '{"KeyMetadata": {"KeyId": "k"}}', "k"),
        ({"Action": "CreateAlias", "KeyId": "k", "AliasName": "alias/a"}, "{}", "k,alias/a"),
        (
            {"Action": "ReEncrypt", "CiphertextBlob": SECRET, "DestinationKeyId": "d", "SourceKeyId": "s"},
            "{}",
            "d,s",
        ),
        ({"Action": "ListKeys"}, '{"Keys": {}}', "-"),
        ({"Action": "Encrypt", "KeyId": "a b\nc", "Plaintext": SECRET}, "{}", "?"),
        ({"Action": "Encrypt", "KeyId": "\x1b[31m"}, "{}", "?"),
        ({"Action": "Nonsense", "KeyId": SECRET}, "{}", "-"),
        ({"Action": "Decrypt", "CiphertextBlob": SECRET}, "no JSON", "-"),
        ({"Action": "Decrypt", "CiphertextBlob": SECRET}, '{"KeyId": 1}', "-"),
        ({"Action": "Decrypt"}, f"<R><KeyId>k</KeyId><Plaintext>{SECRET}</Plaintext></R>", "k"),
    ],
)
def test_the_resource_of_a_call(parameters: dict[str, str], body: str, resource: str) -> None:
    told = line(NOW, asked(**parameters), answered(body), 0.1)
    words = told.split(" ")
    assert len(words) == 8
    assert (words[1], words[2]) == (parameters["Action"], resource)
    assert SECRET not in told
    assert told.isprintable()


def test_a_refusal_and_a_call_without_an_answer() -> None:
    refused = answered('{"Code": "Forbidden.KeyNotFound", "RequestId": "r", "Message": "m n"}', 404)
    told = line(NOW, asked(Action="DescribeKey", KeyId="k"), refused, 1.5)
    assert told.split(" ", 1)[1] == "DescribeKey k 404 Forbidden.KeyNotFound 1500.0ms LTAI1234567890ab r"
    xml = answered("<Error><Code>Throttling</Code><RequestId>r</RequestId></Error>", 400)
    xml = HttpResponse(
        status=400, content_type="text/xml", body=xml.body, headers=(("x-acs-request-id", "r2"),)
    )
    assert line(NOW, asked(Action="ListKeys"), xml, 0).endswith(
        "ListKeys - 400 Throttling 0.0ms LTAI1234567890ab r2"
    )
    assert line(NOW, asked(Action="ListKeys"), None, 0).endswith("ListKeys - - - 0.0ms LTAI1234567890ab -")


@pytest.mark.parametrize(
    ("request_", "action", "caller"),
    [
        (asked({"x-acs-action": "ListKeys"}), "ListKeys", "LTAI1234567890ab"),
        (asked(Action="List Keys\n"), "ListKeys", "LTAI1234567890ab"),
        (asked(AccessKeyId="my own secret"), "-", "malformed"),
        (asked(AccessKeyId="LTAISEED"), "-", "malformed"),
        (asked(AccessKeyId=""), "-", "-"),
        (asked({"authorization": "ACS3-HMAC-SHA256 Credential=LTAI0000000000yo,SignedHeaders=h,Signature=s"}, AccessKeyId=""), "-", "LTAI0000000000yo"),
        (HttpRequest(method="GET", target="/elsewhere?Action=ListKeys", headers={}), "-", "-"),
        (HttpRequest(method="", target="", headers={}), "-", "-"),
    ],
)  # fmt: skip
def test_who_asked_for_what_as_far_as_it_may_be_shown(
    request_: HttpRequest, action: str, caller: str
) -> None:
    words = line(NOW, request_, answered("{}"), 0).split(" ")
    assert (words[1], words[6], len(words)) == (action, caller, 8)


def test_the_id_that_a_seed_gave_is_known() -> None:
    request = asked(Action="ListKeys", AccessKeyId="seed-1")
    assert " seed-1 " in line(NOW, request, answered("{}"), 0, "seed-1")
    assert " malformed " in line(NOW, request, answered("{}"), 0, "seed-2")


def test_lines_are_added_to_a_file_of_the_users_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calls"
    clock = FixedClock()
    for _ in range(2):
        log = CallLog(str(file), clock)
        waiting = log.watch(asked(Action="ListKeys"))
        clock.advance(0.25)
        waiting(answered('{"RequestId": "r"}'))
        log.close()
    first, second = file.read_text().splitlines()
    assert first.split(" ", 1)[1] == second.split(" ", 1)[1] == "ListKeys - 200 - 250.0ms LTAI1234567890ab r"
    assert file.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr() == ("", "")


def test_what_can_not_be_written_is_told_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = CallLog("/dev/full", FixedClock())
    for _ in range(2):
        log.watch(asked(Action="ListKeys"))(None)
    log.close()
    said = "warning: the log /dev/full is not complete: No space left on device (missing lines: 2)\n"
    assert capsys.readouterr().err == said


def test_a_line_that_was_cut_off_ends_before_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calls"
    log = CallLog(str(file), FixedClock())
    call = log.watch(asked(Action="ListKeys"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    call(None)
    size = file.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))
    try:
        call(None)  # there is room for 20 bytes of it
        call(None)  # and for nothing
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    call(None)
    log.close()
    whole, part, after = file.read_text().splitlines()
    assert whole == after
    assert part == whole[:20]
    assert "File too large (missing lines: 2)" in capsys.readouterr().err


def test_a_full_pipe_makes_nobody_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = CallLog(str(pipe), FixedClock())
    filler = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(filler, b"x" * 512)
    log.watch(asked(Action="ListKeys"))(None)
    log.close()
    os.close(filler)
    os.close(reader)
    assert "(missing lines: 1)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "reason"), [("none/calls", "No such file"), ("", "Is a directory"), ("pipe", "No such device")]
)
def test_a_file_that_can_not_be_opened(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OperatorError, match=reason) as refused:
        CallLog(str(tmp_path / name), FixedClock())
    assert "- for standard error" in refused.value.hint
