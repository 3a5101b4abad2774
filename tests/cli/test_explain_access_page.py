"""The how-to page on explanations of access, run as it stands: each command says what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

from keystead.access.explanation import Verdict
from keystead.cli.commands.access.explain import VERDICTS
from tests.cli.test_docs import blocks
from tests.live import live

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "explain-access.md"


def commands() -> list[tuple[str, list[str]]]:
    """Each command, its lines joined, and the lines that the page shows below it."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks(PAGE, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.rstrip("\n").split("\n")
            while shown and (command.endswith("\\") or command.count("'") % 2):
                command = f"{command.removesuffix(chr(92))}\n{shown.pop(0)}".replace("\n", " ")
            found.append((command, shown))
    return found


def shows(line: str, told: str) -> bool:
    """Whether a line is as it is shown, where … stands for anything, and for any amount of spaces."""
    pattern = ".*".join(re.sub(r"(\\ )+", r"\\s+", re.escape(part)) for part in line.split("…"))
    return re.fullmatch(pattern.replace(r"\s+.*", ".*").replace(r".*\s+", ".*"), told) is not None


def test_the_page(tmp_path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("ALIBABA_CLOUD")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    compared = 0
    with live(tmp_path / "kms"):
        for command, shown in commands():
            asked = command
            if assigned := re.match(r"([A-Z_]+)=\$\((.*)\)$", command):
                asked = assigned[2]
            ended = subprocess.run(
                ["sh", "-ec", asked],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            if assigned:
                environment[assigned[1]] = ended.stdout.strip()
            text = f"{' '.join(shown)} "
            expected = 4 if text.startswith("error:") else 6 if "refused" in text else 0
            assert ended.returncode == expected, (command, ended.stderr)
            lines = (ended.stderr if expected == 4 else ended.stdout).splitlines()
            for line in filter(None, shown):
                if line != "…":
                    assert any(shows(line, one) for one in lines), (command, line, lines)
                    compared += 1
    assert compared >= 15


def test_the_page_tells_of_every_verdict() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert set(VERDICTS) == {verdict.value for verdict in Verdict}
    for words in VERDICTS.values():
        assert f"| {words} |" in page
