"""What a command prints: JSON, lines and tables that no terminal can be tricked by, and exit statuses."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keystead import cli
from keystead.cli import output
from keystead.errors import OperatorError

TRICKS = "\x1b[31m\x7f\x9b2J\u202edrowssap\u2066\ud800"


class Terminal(io.StringIO):
    """A terminal of so many columns, as far as tables are concerned."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_an_answer_is_indented_json_in_its_order_with_chinese_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.answer({"KeyId": "1", "Description": "密钥 \u00a0😀", "Arn": "x"})
    assert capsys.readouterr().out == (
        '{\n  "KeyId": "1",\n  "Description": "密钥 \u00a0😀",\n  "Arn": "x"\n}\n'
    )


@pytest.mark.parametrize("show", [output.json_text, lambda value: output.json_text(value, 2)])
def test_json_hides_nothing_from_the_reader_and_obeys_nobody(show: Callable[[object], str]) -> None:
    shown = show({"x": TRICKS})
    assert json.loads(shown) == {"x": TRICKS}
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "gb2312"])
def test_json_is_right_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    output.answer({"x": "密 é 😀"})
    output.line("密 é 😀")
    stream.flush()
    told, line = raw.getvalue().decode(encoding).split("\n}\n")
    assert json.loads(told + "}") == {"x": "密 é 😀"}
    assert line.endswith("\\U0001f600\n")


def test_plain_text_is_one_line_that_a_terminal_only_shows() -> None:
    assert output.plain("密 'x' …") == "密 'x' …"
    assert output.plain("a\nb\r\x1b[2J\x9b\u202e\ud800") == "a\\nb\\r\\x1b[2J\\x9b\\u202e\\ud800"


def test_errors_and_warnings_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.error("a\nb", hint="c\x1b") == output.FAILED == 1
    output.warning("d")
    assert output.error("e") == 1
    assert capsys.readouterr() == ("", "error: a\\nb\nhint: c\\x1b\nwarning: d\nerror: e\n")


def test_a_wrong_command_line_has_a_status_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.trouble(OperatorError("a", hint="b")) == 1
    assert output.trouble(output.WrongCommandLine("c", hint="d")) == output.WRONG == 2
    assert capsys.readouterr().err == "error: a\nhint: b\nerror: c\nhint: d\n"


ROWS = [("TIME", "WHAT", "WHO"), ("1", "Encrypt", "a\x1b"), ("22", "Decrypt", "")]


def test_a_table_that_is_not_for_a_terminal_has_one_line_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    output.table(ROWS, first=2)
    assert capsys.readouterr().out == "TIME  WHAT     WHO\n1     Encrypt  a\\x1b\n22    Decrypt\n"


def test_a_table_is_folded_on_a_terminal_that_is_too_narrow_only(monkeypatch: pytest.MonkeyPatch) -> None:
    widest = len("TIME  Encrypt  a\\x1b")
    for columns, folded in ((widest, False), (widest - 1, True)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("COLUMNS", str(columns))
        output.table(ROWS, first=2)
        lines = terminal.getvalue().splitlines()
        if folded:
            assert lines == ["TIME  WHAT", "  WHO", "1     Encrypt", "  a\\x1b", "22    Decrypt"]
        else:
            assert lines == ["TIME  WHAT     WHO", "1     Encrypt  a\\x1b", "22    Decrypt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("buffering", [1, 8192])
def test_an_answer_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, buffering: int
) -> None:
    with open("/dev/full", "w", buffering=buffering, encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OperatorError, match="cannot write the answer: No space left on device"):
            output.answer({"a": 1})
        full.flush()  # and nothing is left that would fail once more


def test_a_reader_that_is_gone_ends_the_command_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert cli.main(["kms", "--help"]) == 1
    assert capsys.readouterr().err == ""


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: argparse.ArgumentParser, *rest: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", interrupted)
    assert cli.main(["config"]) == output.INTERRUPTED == 130


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--"], "error: the following arguments are required: COMMAND\nhint: keystead --help shows how"),
        (["audit", "lis"], "error: argument VERB: invalid choice: 'lis'"),
        (["audit", "nonsense"], "hint: keystead audit --help shows how to write it"),
        (["config"], "error: the following arguments are required: VERB"),
    ],
)
def test_a_wrong_word_is_told_like_any_error(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert told in shown.err


def test_every_command_is_in_the_help_and_has_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    overview = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert any(line.startswith(f"    {name} ") for line in overview.splitlines()), name
        if name not in cli.PRODUCTS:
            with pytest.raises(SystemExit) as ended:
                cli.main([name, "--help"])
            assert ended.value.code == 0
            assert capsys.readouterr().out.startswith(f"usage: keystead {name}")


@pytest.mark.parametrize(
    ("code", "status"),
    [("Rejected.Throttling", 3), ("ServiceUnavailableTemporary", 3), ("Forbidden.KeyNotFound", 4)],
)
def test_a_refusal_for_now_has_the_status_of_no_answer(
    code: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output.refusal({"Code": code, "Message": "why"}, "what to do") == status
    assert capsys.readouterr().err == f"error: {code}: why\nhint: what to do\n"
