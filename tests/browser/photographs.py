"""Photographs every page of the console: in three languages, light and dark, 360 and 1440 pixels wide.

python -m tests.browser.photographs FOLDER [LANGUAGE ...]
"""

import re
import sys
import tempfile
from pathlib import Path

from tests.browser.scene import LANGUAGES, chromium, context, furnished, pages

WIDTHS = (360, 1440)
SCHEMES = ("light", "dark")


def photograph(folder: Path, languages: tuple[str, ...]) -> int:
    """How many pictures were taken."""
    taken = 0
    with tempfile.TemporaryDirectory() as data, furnished(Path(data)) as scene, chromium() as browser:
        with context(browser) as first:
            reader = first.new_page()
            scene.sign_in_owner(reader)
            addresses = pages(reader, scene)
            cookies = first.cookies()
        for language in languages:
            for width in WIDTHS:
                for scheme in SCHEMES:
                    with context(
                        browser,
                        language=language,
                        viewport={"width": width, "height": 900},
                        color_scheme=scheme,
                    ) as made:
                        made.add_cookies([one for one in cookies if one["name"] != "keystead-language"])  # type: ignore[misc]
                        page = made.new_page()
                        for address in ["/console/sign-in?stay=1", *addresses]:
                            page.goto(f"{scene.url}{address}")
                            name = (
                                re.sub(r"[^A-Za-z0-9.-]+", "_", address.removeprefix("/console/"))
                                or "overview"
                            )
                            place = folder / language / f"{width}-{scheme}"
                            place.mkdir(parents=True, exist_ok=True)
                            page.screenshot(path=str(place / f"{name[:80]}.png"), full_page=True)
                            taken += 1
    return taken


if __name__ == "__main__":
    wanted = tuple(sys.argv[2:]) or LANGUAGES
    print(f"{photograph(Path(sys.argv[1]), wanted)} photographs")
