"""Uses of keys: who used which version of one by which operation, when last, and how often."""

from typing import NamedTuple

Place = tuple[str, str, str]  # of a key: account, region, id


class User(NamedTuple):
    """Who uses a version of a key, and how.

    `account`, `caller_type`, `principal` and `name` are the caller as its records have it; `access_key_id` is "" for
    what is done in the console, whose sessions come and go.
    """

    version: str
    account: str
    caller_type: str
    principal: str
    name: str
    access_key_id: str
    action: str


class Use(NamedTuple):
    """What became of it: when last (seconds since 1970), how often, and how often of these it was refused."""

    last: int
    calls: int = 1
    refused: int = 0

    def plus(self, other: "Use") -> "Use":
        """Both together."""
        return Use(max(self.last, other.last), self.calls + other.calls, self.refused + other.refused)
