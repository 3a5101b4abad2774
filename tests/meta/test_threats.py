"""The threats of the page on security: every test that they name is one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    table = PAGE.partition("| Threat | What is done | What is not | Shown by |\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()[1:]]


def test_every_threat_names_tests_that_there_are() -> None:
    assert len(rows()) >= 5
    for threat, done, _, shown in rows():
        assert threat.startswith("**")
        assert done
        named = re.findall(r"`(tests/[^`]*)`", shown)
        assert named, threat
        for path in named:
            assert "\ndef test_" in (ROOT / path).read_text(encoding="utf-8"), path


def test_no_page_names_a_test_that_there_is_not() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    named = {
        path
        for page in pages
        for path in re.findall(r"`(tests/[\w./]+\.py)`", page.read_text(encoding="utf-8"))
    }
    assert len(named) >= 10
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
