"""The how-to page on signing in to the console: its commands, run as they stand, one after the other."""

import re
from pathlib import Path

from tests.cli.test_docs import blocks, commands_of, shell
from tests.live import live

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "console-users.md"


def test_the_page(tmp_path: Path) -> None:
    told: dict[str, str] = {}
    with live(tmp_path / "kms") as server:
        for block in blocks(PAGE, "console"):
            for command in commands_of(block):
                told[command] = shell(command, tmp_path)
        url = server.description["url"]
    assert told["keystead console login --data ./kms"].startswith(f"{url}/console/link/")
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}\n", told["keystead console code --data ./kms"])
    policy = told["keystead ram GetPasswordPolicy --data ./kms"]
    for rule in (12, 3, 365, 5):
        assert f": {rule}" in policy
    assert len(told) >= 10
