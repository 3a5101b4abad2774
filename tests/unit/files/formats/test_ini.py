"""INI beside the readers that people have: Python's configparser, and git's."""

import configparser
import subprocess
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.errors import OperatorError
from keystead.files.formats.ini import leaves
from tests.live import needs
from tests.sealed_texts import SEALED, sealed, stays_sealed, values_in


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("; a = 1\n  # b = 2\n\n", []),
        ("\ufeff[s]\r\na = 1\r\n", [("/s/a", "1")]),
        ("a=1\n[s]\na: 2 \n[t/u]\nB =3", [("/a", "1"), ("/s/a", "2"), ("/t~1u/B", "3")]),
        ("[s]\na = x = y : z\nb : c = d\nurl = http://h:80/?q=1\n", [("/s/a", "x = y : z"), ("/s/b", "c = d"), ("/s/url", "http://h:80/?q=1")]),
        ("[s]\nskip-networking\nempty =\nlast = 1\n", [("/s/empty", ""), ("/s/last", "1")]),
        # What some readers take for a comment is encrypted with the value: for others it is the value.
        ("[s]\na = p#ss;word ; really\n", [("/s/a", "p#ss;word ; really")]),
        ("[s]\na =\n  x = 1\n  # c\n\n  y\n\n; c\nb = 2\n", [("/s/a", "\n  x = 1\n  # c\n\n  y"), ("/s/b", "2")]),
        ("[s]\na = 1\n 2\n  3\nb=4\n", [("/s/a", "1\n 2\n  3"), ("/s/b", "4")]),
        ("[s]\r\na = 1\r\n\t2\r\n", [("/s/a", "1\r\n\t2")]),
        ('[remote "o]x"]\n\turl = u\n\tfetch = a\n\tfetch = b\n', [('/remote "o]x"/url', "u"), ('/remote "o]x"/fetch', "a"), ('/remote "o]x"/fetch/1', "b")]),
        ("[s] a = 1\nb = 2\n", [("/s/a", "1"), ("/s/b", "2")]),
        ("[s] ; a = 1\n[t] # b = 2", []),
        ("[s]\na = 1\n[t]\n[s]\na = 2\n", [("/s/a", "1"), ("/s/a/1", "2")]),
        ("[s]\na = x \\\n  y \\\n  z\nb = 1\n", [("/s/a", "x \\\n  y \\\n  z"), ("/s/b", "1")]),
        ("[s]\n\ta = !f() { \\\n\tx; }; f\n\tb = 1", [("/s/a", "!f() { \\\n\tx; }; f"), ("/s/b", "1")]),
        ("[s]\na = C:\\\\\nb = 1\n", [("/s/a", "C:\\\\"), ("/s/b", "1")]),
        ("[s]\na = C:\\\n\nb = 1\n", [("/s/a", "C:\\"), ("/s/b", "1")]),
        ("= x\n", [("/", "x")]),
        ("[s]\na = \"x\n  y\"\nb = ''\nc = it's\nd = 5'", [("/s/a", '"x\n  y"'), ("/s/b", "''"), ("/s/c", "it's"), ("/s/d", "5'")]),
        ("[s\na = 1", [("/a", "1")]),
    ],
)  # fmt: skip
def test_values(text: str, values: list[tuple[str, str]]) -> None:
    assert values_in(text, leaves) == values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[s]\na = C:\\\nsecret = 1\n", "some readers take line 3 for the end of the line before"),
        ("[s]\na = C:\\\n; c\nsecret = 1\n", "some readers take line 4"),
        ("[s]\na = C:\\\n[secret]\n", "some readers take line 3"),
        ("[s]\nflag \\\nsecret = 1\n", "some readers take line 3"),
        ('[s]\na = "one\nsecret = two"\n', "line 2 opens quotes and does not close them"),
        ("[s]\na = 'secret\n", "line 2 opens quotes"),
        ("[s]\na = 1\rsecret = 2\n", "line 2 has a carriage return in its middle"),
    ],
)
def test_where_readers_disagree_it_is_refused(text: str, told: str) -> None:
    with pytest.raises(OperatorError) as problem:
        leaves(text)
    assert problem.value.message.startswith(told)
    assert "secret" not in problem.value.message + problem.value.hint


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        # An option of its own for MySQL, git, systemd and PHP; a line of the value above for configparser.
        ("[client]\nuser = app\n  password = x\nhost = h\n", [["/client/user", "/client/password"], ["/client/host"]]),
        ("[s]\na =\n  b\n\tc: d\n", [["/s/a", "/s/c"]]),
        ("[s]\na = 1\n  # b = 2\n  c =\n", [["/s/a", "/s/c"]]),
        # The sections differ from there on.
        ("[s]\na = 1\n  [t]\n  b = 2\nc = 3\n", [["/s/a", "/t/b"], ["/s/c", "/t/c"]]),
        ("[s]\na = 1\n a = 2\n", [["/s/a", "/s/a/1"]]),
        ("[s]\na = x \\\n  b = 2\nc = 3", [["/s/a", "/s/b"], ["/s/c"]]),
        ("[s]\n  a = 1\n  b = 2\n", [["/s/a"], ["/s/b"]]),
        # A colon in a name, for all but configparser.
        ("//npm/:_authToken=x\na: b=c\nd=e:f=g", [["/~1~1npm~1", "/~1~1npm~1:_authToken"], ["/a", "/a: b"], ["/d"]]),
        ("[s] a = 1\n  b = 2\n", [["/s/a"], ["/s/b"]]),
    ],
)  # fmt: skip
def test_an_indented_option_is_found_under_its_own_name_too(text: str, pointers: list[list[str]]) -> None:
    assert [leaf.pointers for leaf in leaves(text)] == pointers


@given(st.data())
def test_every_line_with_a_value_is_found_whoever_reads_it(data: st.DataObject) -> None:
    """A secret in a line by itself is in a value that its name chooses, however the lines are indented."""
    blank = st.sampled_from(["", " ", "  ", "\t", "    "])
    lines: list[str] = data.draw(st.lists(st.builds("{}{}".format, blank, st.sampled_from(["a = 1", "b=2", "[s]", "[t]", "# c", "", "x"])), max_size=8))  # fmt: skip
    at = data.draw(st.integers(0, len(lines)))
    lines.insert(at, data.draw(blank) + "password = hunter2")
    text = "\n".join(lines)
    chosen = [leaf for leaf in leaves(text) if any(path.endswith("/password") for path in leaf.pointers)]
    assert any("hunter2" in text[leaf.start : leaf.end] for leaf in chosen)


# --- configparser

_words = st.text("ab=:;#[]\\\"' \t%é", max_size=6)
_lines = st.one_of(
    st.sampled_from(["", "  ", "[s]", "[t u]", "; c", "  # c", "flag", "x = \\", "k ="]),
    st.builds("{}{}{}{}".format, st.sampled_from(["", " ", "\t", "    "]), st.sampled_from(["a", "B c"]), st.sampled_from(["=", ":", " = "]), _words),
    st.builds("{}{}".format, st.sampled_from(["", " ", "  ", "\t\t"]), _words),
)  # fmt: skip
texts = st.builds(
    lambda lines, end: end.join(lines), st.lists(_lines, max_size=12), st.sampled_from(["\n", "\r\n"])
)


def parsed(text: str) -> dict[str, dict[str, str]] | None:
    """The values that configparser reads, in its most lenient form; None where it refuses."""
    reader = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="\0")
    reader.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        # As a file is read: universal newlines.
        reader.read_string("[\1]\n" + text.replace("\r\n", "\n"))
    except (configparser.Error, AttributeError):  # it fails so on a line below a key without a value
        return None
    found = {}
    for name in reader.sections():
        # Its type says str; a key without a value has None.
        rows = cast("list[tuple[str, str | None]]", reader.items(name))
        found[name] = {key: value for key, value in rows if value is not None}
    return found


@given(texts)
def test_configparser_finds_the_same_values(text: str) -> None:
    try:
        changed = sealed(text, leaves)
    except OperatorError:
        return
    before, after = parsed(text), parsed(changed)
    if before is None:
        return
    assert after is not None
    # In the same order too.
    assert [(name, list(keys)) for name, keys in before.items()] == [
        (name, list(keys)) for name, keys in after.items()
    ]
    for name, keys in before.items():
        assert after[name] == {key: SEALED if value else value for key, value in keys.items()}


@given(texts)
def test_what_is_sealed_stays_sealed(text: str) -> None:
    try:
        leaves(text)
    except OperatorError:
        return
    stays_sealed(text, leaves)


# --- git

GIT = """\
[user]
\tname = "A ; B" ; who
\temail = a@example.org # where
[remote "origin"]
\turl = https://example.org/x
\tfetch = +refs/heads/*:refs/remotes/origin/*
\tfetch = +refs/tags/*:refs/tags/*
[alias] one = two
[core]
\tbare
\teditor = vi \\
\t\t-n
"""


def test_git_reads_the_same_keys(tmp_path: Path) -> None:
    needs("git")

    def listed(text: str) -> list[str]:
        (tmp_path / "config").write_text(text)
        words = ["git", "config", "-f", str(tmp_path / "config"), "--list", "-z"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\0")

    before, after = listed(GIT), listed(sealed(GIT, leaves))
    assert len(before) == 9
    assert after == [
        one if one == "core.bare" or not one else f"{one.partition(chr(10))[0]}\n{SEALED}" for one in before
    ]
