"""Man pages: rendered by both programs that systems have for that, without a warning, and with everything in them."""

import argparse
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from keystead import __version__, cli
from keystead.cli import output
from share import man_pages
from share.command_tree import whole
from share.make import released
from tests.live import needs


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man1")
    for name, page in man_pages.pages(whole(), "2026-01-02").items():
        (folder / name).write_text(page, "utf-8")
    return folder


def rendered(page: Path, *, columns: int = 80) -> str:
    """What man shows of it; it may complain of nothing."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": str(columns)}
    words = ["man", "--warnings=w", "--no-hyphenation", "-l", str(page)]
    told = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert told.stderr == ""
    return re.sub(r"\x1b\[[0-9;]*m|.\x08", "", told.stdout)


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    commands = output.subcommands(parser)
    if not commands:
        yield parser
    for command in commands.values():
        yield from leaves(command)


def test_every_command_has_a_page(pages: Path) -> None:
    assert {file.name for file in pages.iterdir()} == {
        "keystead.1",
        *(f"keystead-{name}.1" for name in cli.COMMANDS),
    }


def test_no_page_has_anything_to_complain_of(pages: Path, tmp_path: Path) -> None:
    needs("mandoc")
    told = subprocess.run(
        ["mandoc", "-T", "lint", *sorted(map(str, pages.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    (tmp_path / "wrong.1").write_text(
        ".TH WRONG 1 2026-01-02\n.SH NAME\nwrong \\- wrong\n.keystead.toml is lost\n"
    )
    told = subprocess.run(
        ["mandoc", "-T", "lint", str(tmp_path / "wrong.1")], capture_output=True, text=True, check=False
    )
    assert told.returncode != 0


def test_a_page_has_each_command_option_and_example(pages: Path) -> None:
    needs("man")
    for name in cli.COMMANDS:
        shown = rendered(pages / f"keystead-{name}.1")
        assert max(map(len, shown.splitlines())) <= 80
        assert f"keystead {__version__}" in shown
        assert "2026-01-02" in shown
        words = " ".join(shown.split())
        for one in leaves(output.subcommands(whole())[name]):
            assert f"{one.prog} " in words
            for line in "\n".join(one.examples).split("\n"):  # type: ignore[attr-defined]
                assert line.strip() in shown
            for action in one._actions:
                if action.option_strings and action.dest not in ("help", "DryRun"):
                    assert all(
                        f"{option} " in words or f"{option}," in words for option in action.option_strings
                    )


def test_text_is_shown_as_it_is(tmp_path: Path) -> None:
    needs("man")
    tricks = ".so /etc/passwd 'x' \\fB ^~`…\" --a-b"
    parser = output.Parser(prog="tricks", description=tricks, examples=[tricks, "'quoted'"])
    parser.add_argument("--option", help=f"{tricks} 100%%", metavar=".A")
    (tmp_path / "tricks.1").write_text(man_pages.pages(parser, "2026-01-02")["tricks.1"], "utf-8")
    shown = [line.strip() for line in rendered(tmp_path / "tricks.1").splitlines()]
    assert shown.count(tricks) == 2  # the description and the example
    assert f"{tricks} 100%" in shown
    assert "'quoted'" in shown
    assert "--option .A" in shown


def test_the_exit_statuses_are_those_of_the_program(pages: Path) -> None:
    needs("man")
    for name, status in (("kms", output.UNOPENED), ("exec", output.NOT_STARTED), ("run", 127)):
        section = rendered(pages / f"keystead-{name}.1").split("EXIT STATUS")[1].split("SEE ALSO")[0]
        assert re.search(rf"^ +{status} ", section, re.MULTILINE)
        assert (f"{output.REFUSED}  " in section) == (name == "kms")


@pytest.mark.parametrize(
    ("changelog", "day"),
    [
        ("# Changelog\n\n## Unreleased\n\n### Added\n", ""),
        ("## Unreleased\n\n## 0.2.0 - 2027-02-03\n\n## 0.1.0 - 2026-01-02\n", "2027-02-03"),
        ("## [0.1.0] 2026-01-02\n", "2026-01-02"),
    ],
)
def test_the_day_of_a_release(changelog: str, day: str) -> None:
    assert released(changelog) == day
