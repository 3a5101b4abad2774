"""How a command finds its server and its AccessKey."""

from contextlib import closing

import msgspec

from keystead.client.access_key import read_access_key
from keystead.errors import OperatorError, Unreachable
from keystead.server.data.directory import DataDirectory
from keystead.server.data.store_place import database_of
from keystead.store.reader import open_reader


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """A server that runs on this machine."""

    url: str
    ca_file: str | None
    proxy_url: str | None
    region: str
    directory: DataDirectory

    def access_key(self, given: tuple[str, str] | None) -> tuple[tuple[str, str], bool]:
        """The AccessKey to call it with, and whether that is the given one, which it is if it is one of the server's.

        Else it is the root AccessKey; OperatorError if that can't be read.
        """
        if given is not None and self._knows(given[0]):
            return given, True
        return read_access_key(self.directory.root_access_key), False

    def _knows(self, access_key_id: str) -> bool:
        """Whether it is one of the server's; it may well be where its database is one that others share, and can't be asked
        from here: it is the server that needs a password for it."""
        try:
            with closing(open_reader(database_of(self.directory))) as reader:
                return reader.has_access_key(access_key_id)
        except OperatorError:
            if self.directory.database.exists():
                raise
            return True


def running_server(data: str) -> Discovered:
    """The server that runs on a data directory; Unreachable if none does."""
    directory = DataDirectory(data)
    directory.check_access()
    running = directory.running()
    if running is None or not directory.locked():
        raise Unreachable(
            f"no server runs on {directory.path}",
            hint=f"start one with keystead serve --data {directory.path}",
        )
    return Discovered(
        url=running.url,
        ca_file=running.ca_file,
        proxy_url=running.proxy_url,
        region=running.region,
        directory=directory,
    )
