"""Three servers on one PostgreSQL, and what may happen to them: each has a network of its own to the database.

With a standby there are two databases, of which one takes what is written; with a synchronous one it commits nothing that the
other does not have.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal, LiteralString

import psycopg

from tests.cut import Cut
from tests.histories import GONE
from tests.live import Client
from tests.postgres import OWNER, SUPERUSER, Cluster, standby_of, until
from tests.several import Shared, another

ANSWERS_WITHIN = 40.0  # seconds that a client waits
AccessKey = tuple[str, str]


class Site:
    """Servers with a database of their own in a PostgreSQL that runs; `program` is what runs instead of the servers' own one."""

    def __init__(
        self,
        folder: Path,
        primary: Cluster,
        count: int = 3,
        *,
        standby: Literal["", "synchronous", "asynchronous"] = "",
        program: list[str] | None = None,
    ) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self._count = count
        self._replication = standby
        self._program = program
        self.database = "keystead"
        self.primary = primary
        self.standby: Cluster | None = None
        self.cuts: list[list[Cut]] = []
        self.servers: list[Shared] = []

    def __enter__(self) -> "Site":
        try:
            self._enter()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for one in self.servers:
            with suppress(AttributeError, AssertionError, ProcessLookupError):
                one.kill()
        self._stack.close()

    def _enter(self) -> None:
        if self._replication:  # then it is nobody else's, and has its end with it
            self.primary.create_database(self.database)
            self.standby = self._follow()
        else:
            self.database = self._stack.enter_context(self.primary.database()).rpartition("/")[2]
        for _ in range(self._count):
            ports = [one.port for one in (self.primary, self.standby) if one is not None]
            self.cuts.append([self._stack.enter_context(Cut(port)) for port in ports])
        for number in range(self._count):
            self.servers.append(self._server(number))
            self.servers[-1].start(wait=number == 0)
        for server in self.servers:
            server.wait()

    def _server(self, number: int) -> Shared:
        hosts = ",".join(f"127.0.0.1:{cut.port}" for cut in self.cuts[number])
        url, name = f"postgresql://{OWNER}@{hosts}/{self.database}", f"node-{number + 1}"
        options = ("--http", "--front-process", "no")
        if number:
            made = another(self._folder, name, self.servers[0], url, *options)
        else:
            made = Shared(self._folder / name, url, *options)
        made.program = self._program or made.program
        return made

    def _follow(self) -> Cluster:
        return self._stack.enter_context(
            standby_of(self.primary, synchronous=self._replication == "synchronous")
        )

    @property
    def access_key(self) -> AccessKey:
        """That of the account itself."""
        return self.servers[0].client().access_key

    # --- what happens

    def signal(self, number: int, what: signal.Signals) -> None:
        process = self.servers[number].process
        assert process is not None
        os.kill(process.pid, what)

    def promote(self) -> Cluster:
        """The primary died, and the standby takes its place; gives what was the primary."""
        assert self.standby is not None
        self.standby.promote()
        lost, self.primary, self.standby = self.primary, self.standby, None
        return lost

    def fail_over(self) -> None:
        """The primary dies, the standby takes its place, and gets a standby of its own."""
        self.primary.kill()
        self.replace(self.promote())

    def replace(self, lost: Cluster) -> None:
        """A new standby, in the place of a database that was lost."""
        self.standby = self._follow()
        for cut in (one for pair in self.cuts for one in pair if one.target == lost.port):
            cut.target = self.standby.port

    # --- what is there

    def settle(self) -> None:
        """Wait until every server answers."""
        for number in range(self._count):
            self.answered(number, self.access_key, lambda client: client.call("ListKeys")[0] == 200)

    def answered(self, number: int, access_key: AccessKey, holds: Callable[[Client], bool]) -> None:
        """Wait until it holds of what one server answers."""
        caller = Caller(self.servers, access_key)

        def tried() -> bool:
            try:
                return holds(caller.to(number))
            except GONE:
                caller.close()
                return False

        until(tried)
        caller.close()

    def ask(self, statement: LiteralString) -> list[tuple[object, ...]]:
        """What the database has, asked by its administrator."""
        return self.primary.run(statement, self.database)

    @contextmanager
    def lock(self, first: int, second: int) -> Iterator[None]:
        """Hold this advisory lock, and nobody else holds it, or shares it."""
        here = f"host={self.primary.folder} port={self.primary.port} user={SUPERUSER} dbname={self.database}"
        with psycopg.connect(here, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s, %s)", (first, second))
            yield


class Caller:
    """One client's connections to all servers, each made when it is needed."""

    def __init__(self, servers: list[Shared], access_key: AccessKey) -> None:
        self._servers = servers
        self._access_key = access_key
        self._clients: dict[int, tuple[str, Client]] = {}

    def to(self, number: int, access_key: AccessKey | None = None) -> Client:
        """ConnectionRefusedError if that server does not run."""
        url = self._servers[number].description.get("url")
        if url is None:
            raise ConnectionRefusedError
        known = self._clients.get(number)
        if known is None or known[0] != url:
            known = url, Client(url, None, self._access_key, ANSWERS_WITHIN)
            self._clients[number] = known
        known[1].access_key = access_key or self._access_key
        return known[1]

    def close(self) -> None:
        for _, client in self._clients.values():
            client.close()
        self._clients.clear()
