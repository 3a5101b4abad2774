"""Tokens of SoftHSM2 for tests, each in a folder of its own: moved away, it is one that was unplugged."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.live import needs

PIN, SO_PIN = "24681357", "13572468"
_PLACES = (
    "/usr/lib/softhsm",
    "/usr/lib/x86_64-linux-gnu/softhsm",
    "/usr/lib64/softhsm",
    "/usr/local/lib/softhsm",
)


def module() -> str:
    """The library of SoftHSM2; the test is skipped without it."""
    needs("softhsm2-util")
    for place in map(Path, _PLACES):
        if (place / "libsofthsm2.so").exists():
            return str(place / "libsofthsm2.so")
    pytest.skip("the library of SoftHSM2 is not where it is looked for")


class Token:
    """A token, and a file with its PIN."""

    def __init__(self, folder: Path, label: str = "keystead") -> None:
        self.module = module()
        self.label = label
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        self.config = folder / "softhsm2.conf"
        self.config.write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        self.pin_file = folder / "pin"
        self.set_pin(PIN)
        self.initialize(label)

    @property
    def environment(self) -> dict[str, str]:
        """What the library finds it by."""
        return {"SOFTHSM2_CONF": str(self.config)}

    def initialize(self, label: str) -> None:
        """One more token beside it."""
        words = [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            label,
            "--pin",
            PIN,
            "--so-pin",
            SO_PIN,
        ]
        subprocess.run(words, check=True, capture_output=True, env={**os.environ, **self.environment})

    def set_pin(self, pin: str) -> None:
        """What the file says."""
        self.pin_file.write_text(f"{pin}\n")
        self.pin_file.chmod(0o600)

    def saved(self) -> dict[Path, bytes]:
        """All files of it, as they are now."""
        return {path: path.read_bytes() for path in self.tokens.rglob("*") if path.is_file()}

    def mend(self, saved: dict[Path, bytes]) -> None:
        """Make its files again what they were: SoftHSM writes them in place, at each login, and one that is killed meanwhile
        leaves half a file and a token that is lost. What it keeps is not ours to prove."""
        for path, content in saved.items():
            if path.read_bytes() != content:
                path.write_bytes(content)

    def address(self, key: str = "root") -> str:
        """The setting for a key of it."""
        return f"pkcs11:token={self.label};object={key}?module-path={self.module}&pin-source=file:{self.pin_file}"
