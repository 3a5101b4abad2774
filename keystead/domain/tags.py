"""Tags: the user's labels on a resource. Limits of the vendor's TagResource page."""

import re

MAXIMUM = 20
_TEXT = re.compile(r"\A[A-Za-z0-9/\\_.+=:@\-]{1,128}\Z")


def valid_key(key: str) -> bool:
    """1 to 128 allowed characters, not under the vendor's reserved prefixes."""
    return _TEXT.match(key) is not None and not key.startswith(("aliyun", "acs:"))


def valid_value(value: str) -> bool:
    """At most 128 allowed characters; may be empty."""
    return value == "" or _TEXT.match(value) is not None
