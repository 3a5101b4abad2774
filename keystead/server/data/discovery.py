"""How a command finds its server and its AccessKey."""

from contextlib import closing, suppress

import msgspec

from keystead.client.access_key import read_access_key
from keystead.client.transport import Endpoint, Session
from keystead.clock import SystemClock
from keystead.domain.products import STS
from keystead.entropy import SystemEntropy
from keystead.errors import AccessKeyNotFound, OperatorError, Unreachable
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
        if given is not None and self._knows(given):
            return given, True
        return read_access_key(self.directory.root_access_key), False

    def _knows(self, given: tuple[str, str]) -> bool:
        try:
            with closing(open_reader(database_of(self.directory))) as reader:
                return reader.has_access_key(given[0])
        except OperatorError:
            if self.directory.database.exists():
                raise
        return self._takes(given)

    def _takes(self, given: tuple[str, str]) -> bool:
        """As the server itself says: a database that it shares with others may need a password that commands do not have."""
        endpoint = Endpoint(self.url, self.ca_file, given)
        with (
            suppress(OperatorError),
            Session(endpoint, SystemClock(), SystemEntropy(), "discovery") as session,
        ):
            answer = session.call("GetCallerIdentity", STS.version, {})
            return answer.members.get("Code") != AccessKeyNotFound.code
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
