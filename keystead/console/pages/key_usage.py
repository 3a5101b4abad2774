"""One key: how it is used, by whom, and what would break without it."""

from keystead.console.pages.key_frame import ShownKey
from keystead.console.visit import Visit


async def what_breaks(visit: Visit, key: ShownKey) -> dict[str, object]:
    """What there is to know before a key is disabled or deleted."""
    return {}
