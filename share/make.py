"""Makes all of it in a folder."""

import re
from pathlib import Path

from share import completions, man_pages
from share.command_tree import whole

ROOT = Path(__file__).resolve().parent.parent


def make(folder: Path) -> None:
    """Write completions and man pages, laid out as under `share/` of an installation."""
    for shell, place in completions.PLACES.items():
        _write(folder / place, completions.script(whole(), shell))
    for name, page in man_pages.pages(whole(), released((ROOT / "CHANGELOG.md").read_text("utf-8"))).items():
        _write(folder / "man" / "man1" / name, page)


def released(changelog: str) -> str:
    """The day of the newest release, as 2026-01-02; "" before the first."""
    found = re.search(r"^## .*?(\d{4}-\d\d-\d\d)", changelog, re.MULTILINE)
    return found[1] if found else ""


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
