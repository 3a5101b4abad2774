"""When there are colours, and where: labels and marked cells for a person at a terminal, nothing else."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from keystead.cli import answers, colour, output
from tests.unit.cli.test_output import Terminal

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "TERM")


@pytest.mark.parametrize(
    ("environment", "at_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"TERM": "xterm-256color"}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),  # as https://no-color.org says
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "3"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"FORCE_COLOR": ""}, True, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "1"}, True, False),
    ],
)
def test_colours_are_for_terminals_and_for_who_asks(
    environment: dict[str, str], at_terminal: bool, elsewhere: bool
) -> None:
    assert colour.wanted(Terminal(), environment) is at_terminal
    assert colour.wanted(io.StringIO(), environment) is elsewhere


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("plain_environment")
def test_labels_are_coloured_and_what_comes_from_elsewhere_is_not_obeyed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    output.error("a\x1b[2J", hint="b")
    output.warning("c")
    output.note("d")
    assert terminal.getvalue() == (
        "\x1b[1;31merror:\x1b[0m a\\x1b[2J\n\x1b[36mhint:\x1b[0m b\n\x1b[1;33mwarning:\x1b[0m c\nd\n"
    )


@pytest.mark.usefixtures("plain_environment")
def test_marked_cells_are_coloured_within_their_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ("CHECK", "STATE", ""),
        ("disk\x1b", output.Marked("ok", "good"), "x"),
        ("clock", output.Marked("off", "bad"), ""),
    ]
    for columns, expected in (
        ("80", "CHECK     STATE\ndisk\\x1b  \x1b[32mok\x1b[0m     x\nclock     \x1b[31moff\x1b[0m\n"),
        ("8", "CHECK\n  STATE\ndisk\\x1b\n  \x1b[32mok\x1b[0m  x\nclock\n  \x1b[31moff\x1b[0m\n"),
    ):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("COLUMNS", columns)
        output.table(rows, first=1)
        assert terminal.getvalue() == expected
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    output.line(output.Marked("so-so\x1b", "doubtful"))
    output.line(output.Marked("", "bad"))
    assert terminal.getvalue() == "\x1b[33mso-so\\x1b\x1b[0m\n\n"


@pytest.mark.usefixtures("plain_environment")
def test_what_programs_read_has_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    content = {"KeyState": output.Marked("Enabled", "good"), "Names": [output.Marked("a", "bad")]}
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    answers.show(content, "json")
    output.record(content)
    assert "\x1b" not in terminal.getvalue()
    output.row([output.Marked("a", "bad"), "b"])
    assert terminal.getvalue().endswith("\na\tb\n")


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_the_program_at_a_terminal(environment: dict[str, str], coloured: bool, tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    ours, theirs = pty.openpty()
    try:
        words = [sys.executable, "-m", "keystead", "kms", "Encryp"]
        subprocess.run(
            words, env={**inherited, **environment}, stdout=theirs, stderr=theirs, check=False, cwd=tmp_path
        )
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    label = "\x1b[1;31merror:\x1b[0m" if coloured else "error:"
    assert shown.startswith(f"{label} there is no operation 'Encryp'")
    piped = subprocess.run(
        words, env={**inherited, "TERM": "xterm"}, capture_output=True, check=False, cwd=tmp_path
    )
    assert piped.stderr.startswith(b"error: there is no operation")


@pytest.mark.usefixtures("plain_environment")
def test_progress_is_for_terminals_that_can_go_back_on_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, stream, shown in (
        ("xterm", Terminal(), True),
        ("dumb", Terminal(), False),
        ("xterm", io.StringIO(), False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", name)
        output.progress("file", 1, 2)
        assert (" 50%  ####" in stream.getvalue()) is shown
        assert bool(stream.getvalue()) is shown
