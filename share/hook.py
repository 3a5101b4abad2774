"""Hatchling's hook: makes completions and man pages for the wheel, and for a checkout that is installed as it stands."""

import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShareHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before the files of a wheel are taken."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make them, and tell where the wheel has them: under `share/`, and completions in the package as well."""
        root = Path(self.root)
        sys.path.insert(0, str(root))
        from share.completions import PLACES
        from share.make import make

        made = root / "build" / "share"
        shutil.rmtree(made, ignore_errors=True)
        make(made)
        build_data["shared_data"][str(made)] = "share"
        package = root / "keystead" / "cli" / "completions"
        package.mkdir(exist_ok=True)
        for shell, place in PLACES.items():
            shutil.copyfile(made / place, package / f"keystead.{shell}")
