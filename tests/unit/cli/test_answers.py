"""The forms of an answer."""

from typing import Any

import pytest

from keystead.cli.answers import show

KEYS: dict[str, Any] = {
    "Keys": {"Key": [{"KeyId": "a", "Tag": {"N": 1}}, {"KeyId": "b", "More": True}]},
    "TotalCount": 2,
    "Empty": None,
}


@pytest.mark.parametrize(
    ("content", "form", "shown"),
    [
        ("a", "", "a\n"),
        ("-----BEGIN\nx\n-----END\n", "", "-----BEGIN\nx\n-----END\n"),
        ("密\t", "text", "密\t\n"),
        ("", "", "\n"),
        (True, "", "true\n"),
        (2, "", "2\n"),
        (None, "text", "\n"),
        (["a", 2], "", "a\n2\n"),
        ([], "", ""),
        ([["a", "b"], ["c"]], "", '[\n  [\n    "a",\n    "b"\n  ],\n  [\n    "c"\n  ]\n]\n'),
        ("a", "json", '"a"\n'),
        ({"A": 1}, "", '{\n  "A": 1\n}\n'),
        ([["a", "b\tc"], ["d"]], "text", "a\tb\\tc\nd\n"),
        (KEYS, "text", "Keys.Key\ta\t1\nKeys.Key\tb\ttrue\nTotalCount\t2\nEmpty\t\n"),
        (
            KEYS,
            "table",
            "Keys.Key:\nKeyId  Tag.N  More\na      1\nb             true\n\nTotalCount  2\nEmpty\n",
        ),
        (KEYS["Keys"], "table", "KeyId  Tag.N  More\na      1\nb             true\n"),
        ({"A": [], "B": 1}, "table", "A: none\n\nB  1\n"),
        ({"A": [1], "B": ["x\ny"]}, "table", "A:\n1\nB:\nx\\ny\n"),
        ([["a", "b"], ["c", "d"]], "table", "a  b\nc  d\n"),
        ([{"A": [1, 2]}, "x"], "table", "A\n1 2\n     x\n"),
        ("a\x1b[31m", "table", "a\\x1b[31m\n"),
        ("a\x1b[31m", "text", "a\x1b[31m\n"),
    ],
)
def test_forms(content: object, form: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(content, form)
    assert capsys.readouterr().out == shown


def test_a_terminal_gets_nothing_that_it_would_obey(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show("line\n\x1b[31mred\n")
    assert capsys.readouterr().out == "line\n\\x1b[31mred\n"
