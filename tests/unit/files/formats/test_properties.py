import base64
import json
from pathlib import Path

import pytest
from hypothesis import given

from keystead.errors import OperatorError
from keystead.files.config_values import bytes_of
from keystead.files.formats.properties import leaves, unescaped
from tests.sealed_texts import PROPERTIES_TEXTS, SEALED, sealed, stays_sealed, values_in

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("# a = 1\n  ! b = 2\n\n \t\f\n", []),
        ("\ufeffa=1\r\nb:2\rc 3", [("/a", "1"), ("/b", "2"), ("/c", "3")]),
        ("a.b = x = y \n", [("/a.b", "x = y ")]),
        ("a", [("/a", "")]),
        ("a=\nb:\nc \n", [("/a", ""), ("/b", ""), ("/c", "")]),
        ("a = # no comment ! either\n", [("/a", "# no comment ! either")]),
        ("a\\ b\\=c\\:d = 1\n", [("/a b=c:d", "1")]),
        ("\\u0061\\t\\u00e9 = \\u0031\n", [("/a\té", "\\u0031")]),
        ("\\ud83d\\udc80 = 1", [("/💀", "1")]),
        ("a = one, \\\n    two, \\\r\n\tthree\nb=1", [("/a", "one, \\\n    two, \\\r\n\tthree"), ("/b", "1")]),
        ("a = one \\\n# two\n", [("/a", "one \\\n# two")]),
        ("a = one \\\\\nb = 1\n", [("/a", "one \\\\"), ("/b", "1")]),
        ("a = one \\\n\nb = 1\n", [("/a", "one \\\n"), ("/b", "1")]),
        ("a = one\\", [("/a", "one\\")]),
        ("# a \\\nb = 1\n", [("/b", "1")]),
        ("ke\\\n  y = 1\nk\\\n= 2\nl \\\n  = \\\n  3", [("/key", "1"), ("/k", "2"), ("/l", "3")]),
        ("a=1\na=2\na 3\nb=4", [("/a", "1"), ("/a/1", "2"), ("/a/2", "3"), ("/b", "4")]),
        ("\\\n \\\n# c = 1\n\\\na = b", [("/a", "b")]),
        ("= x\n: y\n", [("/", "x"), ("//1", "y")]),
        ("\udce9 = \udcff\n", [("/é", "\udcff")]),
        ("a/b~c = 1", [("/a~1b~0c", "1")]),
    ],
)  # fmt: skip
def test_values(text: str, values: list[tuple[str, str]]) -> None:
    assert values_in(text, leaves) == values


def test_a_wrong_escape_in_a_key() -> None:
    with pytest.raises(OperatorError, match="line 2 has"):
        leaves("a = \\u12\n\\u12xysecret = 1\n")


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [("a\\nb\\tc\\rd\\fe", "a\nb\tc\rd\fe"), ("\\a\\'\\\\", "a'\\"), ("x\\", "x"), ("\\uABcd", "\uabcd"), ("a\\\r\n \t b", "ab")],
)  # fmt: skip
def test_escapes(spelled: str, meant: str) -> None:
    assert unescaped(spelled) == meant


@given(PROPERTIES_TEXTS)
def test_what_is_sealed_stays_sealed(text: str) -> None:
    try:
        leaves(text)
    except OperatorError:
        return
    stays_sealed(text, leaves)


# --- what Java made of files, and of the same files encrypted

CASES = json.loads((ROOT / "tests" / "vectors" / "properties" / "cases.json").read_text())


def without_the_last(text: str, read: dict[str, str]) -> dict[str, str]:
    """Java takes a continued line at the very end for an empty key with an empty value: nothing to encrypt."""
    last = text.endswith(("\\\n", "\\\r", "\\\r\n"))
    return {key: value for key, value in read.items() if key or not last}


def test_java_reads_the_same() -> None:
    compared = 0
    for case in CASES:
        text = base64.b64decode(case["file"]).decode(errors="surrogateescape")
        try:
            read = {
                # The second of equal keys has a number behind its path; for Java the last one counts.
                str(leaf.path[0]): unescaped(bytes_of(text[leaf.start : leaf.end]).decode("latin-1"))
                for leaf in leaves(text)
            }
        except (OperatorError, ValueError):
            assert case["read"] is None, text
        else:
            assert case["read"] is not None, text
            assert without_the_last(text, read) == without_the_last(text, case["read"]), text
            compared += len(read)
    assert compared > 400


def test_java_reads_an_encrypted_value_as_it_stands() -> None:
    compared = 0
    for case in CASES:
        if case["read"] is None:
            continue
        text = base64.b64decode(case["file"]).decode(errors="surrogateescape")
        changed = sealed(text, leaves)
        assert base64.b64encode(bytes_of(changed)).decode() == case["sealed"]
        meant = {str(leaf.path[0]): SEALED if leaf.end > leaf.start else "" for leaf in leaves(text)}
        assert without_the_last(text, case["sealed_read"]) == without_the_last(text, meant), text
        compared += len(meant)
    assert compared > 400
