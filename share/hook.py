"""Hatchling's hook: makes completions and man pages for a wheel, and for a checkout that is installed as it stands."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShareHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before the files of a wheel are taken, and after it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make them, and tell where the wheel has them: under `share/`, and completions in the package as well."""
        root = Path(self.root)
        sys.path.insert(0, str(root))
        from share.completions import PLACES
        from share.make import make

        self._made = Path(tempfile.mkdtemp(prefix="keystead-share-"))
        make(self._made)
        build_data["shared_data"][str(self._made)] = "share"
        package = Path("keystead", "cli", "completions")
        if version == "editable":  # there the package is the source tree, whose `completions` git ignores
            (root / package).mkdir(exist_ok=True)
        for shell, place in PLACES.items():
            name = package / f"keystead.{shell}"
            if version == "editable":
                shutil.copyfile(self._made / place, root / name)
            else:
                build_data["force_include"][str(self._made / place)] = str(name)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what the wheel has now."""
        shutil.rmtree(self._made)
