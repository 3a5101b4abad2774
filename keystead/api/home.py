"""The server that calls come to: what every call may know of it, and what it says of itself to its owner."""

from collections.abc import Callable

import msgspec


class ShownSetting(msgspec.Struct, frozen=True):
    """One setting: its value as JSON, and where that was said: a flag, a variable, a file, or `default`."""

    name: str
    value: str
    source: str


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is. Times are seconds since 1970, sizes bytes; 0 and "" are of what does not apply or is not known."""

    started: int = 0
    url: str = ""
    ops_url: str = ""
    proxy_url: str = ""
    settings: tuple[ShownSetting, ...] = ()
    certificate_expires: int = 0
    own_authority: bool = False  # whether the certificate is by the server's own CA
    database: int = 0
    wal: int = 0
    free: int = 0  # on the disk of the data directory
    front: str = ""  # running; else why not, or that there is none
    problems: tuple[str, ...] = ()  # what keeps calls from being answered


class Home(msgspec.Struct):
    """The server: the region of calls that name none, the account that it was made with, and how it describes itself."""

    region: str
    account: str
    describe: Callable[[], ServerFacts] = ServerFacts
