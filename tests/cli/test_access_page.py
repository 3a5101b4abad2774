"""The how-to page on access, run as it stands: two users, of whom neither can do what the other can."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.cli.test_docs import blocks
from tests.live import live

ROOT = Path(__file__).parents[2]
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"
PAGE = ROOT / "docs" / "how-to" / "access.md"


def test_the_policies_of_the_page_are_those_of_the_examples() -> None:
    (shown,) = blocks(PAGE, "json")
    assert shown == (ROOT / "examples" / "policies" / "encrypt-only.json").read_text()
    other = (ROOT / "examples" / "policies" / "decrypt-only.json").read_text()
    assert other == shown.replace("kms:Encrypt", "kms:Decrypt")


def test_the_page(tmp_path: Path) -> None:
    whole = [re.sub(r" *\\\n *", " ", block) for block in blocks(PAGE, "console")]
    lines = [line for block in whole for line in block.splitlines()]
    commands = [
        (line.removeprefix("$ "), following if not following.startswith("$ ") else "")
        for line, following in zip(lines, [*lines[1:], "$ "], strict=True)
        if line.startswith("$ ")
    ]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "key.pem").write_text(KEY)
    environment = {name: text for name, text in os.environ.items() if not name.startswith("ALIBABA_CLOUD")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment["PYTHONWARNINGS"] = "ignore"
    refused = 0
    with live(tmp_path / "kms"):
        for command, told in commands:
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
            if told:
                assert ended.returncode != 0, command
                for part in filter(None, map(str.strip, told.split("…"))):
                    assert part in ended.stderr, (command, ended.stderr)
                refused += 1
                continue
            assert ended.returncode == 0, (command, ended.stderr)
            if assigned:
                environment[assigned[1]] = ended.stdout.strip()
            if "> key.pem" in command:
                assert (tmp_path / "key.pem").read_text() == KEY
                (tmp_path / "key.pem").unlink()
            if "audit list" in command:
                rows = ended.stdout.splitlines()[1:]
                assert [row.split()[1:4] for row in rows] == [
                    [action, "Forbidden.NoPermission", "shop"] for action in ("Encrypt", "ListKeys")
                ]
    assert (len(commands) > 25, refused) == (True, 4)
    assert set(json.loads((tmp_path / "payments.json").read_text())) == {"AccessKeyId", "AccessKeySecret"}
