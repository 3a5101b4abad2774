"""Tags: the user's labels on a resource. Limits of the vendor's TagResource page."""

from collections.abc import Mapping

from keystead.forms import Form

MAXIMUM = 20
TEXT = Form(
    r"[A-Za-z0-9/\\_.+=:@\-]{1,128}", "1 to 128 letters, digits, hyphens and characters of _ . / \\ + = : @"
)
KEY_WORDS = f"{TEXT.words}, not beginning with aliyun or acs:"


def fit(tags: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    """Whether all wanted tags are among these; None stands for any value."""
    return all(name in tags and value in (None, tags[name]) for name, value in wanted.items())


def valid_key(key: str) -> bool:
    """1 to 128 allowed characters, not under the vendor's reserved prefixes."""
    return TEXT.fits(key) and not key.startswith(("aliyun", "acs:"))


def valid_value(value: str) -> bool:
    """At most 128 allowed characters; may be empty."""
    return value == "" or TEXT.fits(value)
