import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.errors import OperatorError
from keystead.files.formats.dotenv import environment, interpolated, leaves, references
from keystead.files.formats.spans import pointer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("\ufeffA=1", [("/A", "1")]),
        ("# A=1\n\n  # x\nexport  A = b c  # d\r\nB=#x\rC= # y", [("/A", "b c"), ("/B", "#x"), ("/C", "")]),
        ("A='it\\'s'\nB=\"two\nlines\" # c\nC=a#b", [("/A", "'it\\'s'"), ("/B", '"two\nlines"'), ("/C", "a#b")]),
    ],
)  # fmt: skip
def test_leaves(text: str, found: list[tuple[str, str]]) -> None:
    assert [(pointer(leaf.path), text[leaf.start : leaf.end]) for leaf in leaves(text)] == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A=1\nsecret", "line 2 is not NAME=VALUE"),
        ("A='secret", "line 1 is not NAME=VALUE"),
        ("A: secret", "line 1"),
    ],
)
def test_what_is_no_assignment(text: str, told: str) -> None:
    with pytest.raises(OperatorError) as problem:
        leaves(text)
    assert problem.value.message.startswith(told)
    assert "secret" not in problem.value.message + problem.value.hint


def test_environment() -> None:
    text = (
        'A=plain # c\nB=\'a\\\'b\\n\'\nC="a\\"b\\n$x"\nD=\nA=again\nF=`a b`\nG=${A}\nH="\\d\\$\\\\"\nE=\'\n'
    )
    assert environment(text[:-4]) == {
        "A": "again", "B": "a'b\\n", "C": 'a"b\n$x', "D": "", "F": "`a b`", "G": "${A}", "H": "\\d$\\",
    }  # fmt: skip


def test_references() -> None:
    assert references("A=${B}\nB='${A}'\nC=$A\nD=\"x${A}\"\nE=\\${A}\nF=${A:-x}") == ["A", "D", "F"]


BEFORE = {"HOME": "/h", "EMPTY": "", "DOLLAR": "$HOME ${HOME} \\n"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=${HOME}/x", "/h/x"),
        ("A=$HOME/x", "/h/x"),
        ('A="a ${HOME}\\n$HOME"', "a /h\n/h"),
        ("A='${HOME} $HOME'", "${HOME} $HOME"),
        ("A=\\${HOME}\\x \\\\", "${HOME}\\x \\\\"),
        ('A="\\${HOME} \\\\"', "${HOME} \\"),
        ("A=${EMPTY}", ""),
        ("A=${EMPTY:-x y}", "x y"),
        ("A=${GONE:-}", ""),
        ("A=${GONE:-a:-b}", "a:-b"),
        ("A=${HOME:-x}", "/h"),
        ("A=${DOLLAR}", "$HOME ${HOME} \\n"),
        ('A="${DOLLAR}"', "$HOME ${HOME} \\n"),
        ("A=1$ $5 $(x) a$", "1$ $5 $(x) a$"),
        ("B=1\nA=$B\nB=2", "1"),
        ("HOME=/other\nA=$HOME", "/other"),
        ("ABOVE=here\nA=$ABOVE", "above"),
        ("SEALED=$HOME\nA=$SEALED", "$HOME"),
        ("A=$A_B", "ab"),
    ],
)
def test_interpolation(text: str, value: str) -> None:
    found = interpolated(text, {"SEALED"}, {"ABOVE": "above"}, {**BEFORE, "A_B": "ab"})
    assert found["A"] == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A=$GONE", "A needs GONE, which is not set"),
        ("A=${GONE}", "A needs GONE, which is not set"),
        ("A=$B\nB=1", "A needs B, which is not set"),
        ("A=$$HOME", "A has $$ in its value"),
        ("A=${HOME", "A has ${ in its value"),
        ("A=${}", "of an unknown form"),
        ("A=${HOME-x}", "of an unknown form"),
        ("A=${HOME:?x}", "of an unknown form"),
        ("A=${1}", "of an unknown form"),
        ("A=${GONE:-$HOME}", "of an unknown form"),
    ],
)
def test_what_cannot_be_put_in(text: str, told: str) -> None:
    with pytest.raises(OperatorError) as problem:
        interpolated(text, (), {}, BEFORE)
    assert told in problem.value.message
    assert problem.value.hint


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_what_was_encrypted_is_never_read_again(secret: str) -> None:
    """Whatever a secret holds: in its own variable, and where another refers to it."""
    spelled = '"' + secret.replace("\\", "\\\\").replace('"', '\\"') + '"'
    found = interpolated(f'S={spelled}\nA=x${{S}}y\nB="$S"', {"S"}, {}, BEFORE)
    assert found == {"S": secret, "A": f"x{secret}y", "B": secret}


# --- the table of dialects in the docs

PAGE = (Path(__file__).parents[4] / "docs" / "how-to" / "exec.md").read_text(encoding="utf-8")


def cells(line: str) -> list[str]:
    """A row of the table; `none`, `empty` and `refused` stand without a mark of code."""
    found = [re.sub(r"^(`+) ?(.*?) ?\1$", r"=\2", cell) for cell in line.strip("| ").split(" | ")]
    return [cell.replace("⏎", "\n").replace("⇥", "\t") for cell in found]


ROWS = [cells(line) for line in PAGE.partition("## Dialects")[2].splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_table_of_dialects_says_what_we_do(row: list[str]) -> None:
    def told(read: Callable[[str], dict[str, str]]) -> str:
        try:
            return f"={read(row[0][1:])['A']}"
        except OperatorError:
            return "refused"

    assert len(row) == 8
    put_in = told(lambda text: interpolated(text, (), {}, {"OTHER": "env", "HOME": "/h"}))
    assert [told(environment), put_in] == row[1:3]


def test_the_table_is_there() -> None:
    assert len(ROWS) > 25
