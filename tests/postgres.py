"""PostgreSQL for tests: clusters in folders of their own, which can be stopped, killed, frozen, copied and promoted.

Each has a keeper, a process that kills what runs of the cluster and removes its folder once the tests let go of it: when they
close it, and when they end, however they end.
"""

import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, LiteralString
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg import sql

from keystead.crypto.authority import Authority

SUPERUSER, OWNER = "postgres", "keystead"
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",  # in its folder, where it is found and removed after a kill
    "wal_keep_size": "256MB",  # for a standby that was away
    "wal_retrieve_retry_interval": "100ms",
}
# $1 is the folder. A server that was killed leaves a segment of memory, which its postmaster.pid names.
_KEEPER = r"""
exec 2>/dev/null
read -r over
while alive=$(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1*" -printf '%h ') || :; test "$alive"; do
    for one in $alive; do kill -9 "${one#/proc/}"; done
done
segment=$(sed -n 7p "$1/data/postmaster.pid")
test "$segment" && ipcrm -m "${segment##* }"
rm -rf "$1"
"""


def programs() -> Path:
    """The folder of PostgreSQL's programs, of the newest if there are several; the test is skipped without any."""
    found = {int(path.parts[-3]): path for path in Path("/usr/lib/postgresql").glob("[1-9][0-9]/bin/initdb")}
    initdb = found[max(found)] if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    return Path(initdb).parent


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


class Cluster:
    """A server with its folder and its port on 127.0.0.1; it also has a socket in the folder.

    Databases belong to OWNER, an ordinary user who gives a password where there is one. SUPERUSER comes in over the socket
    by name alone.
    """

    def __init__(self, *, password: str, tls: bool) -> None:
        self._programs = programs()
        self.folder = Path(
            tempfile.mkdtemp(prefix="postgres_", dir="/tmp")
        )  # names of sockets have to be short
        words = ["sh", "-c", _KEEPER, "sh", str(self.folder)]
        self._keeper = subprocess.Popen(
            words, stdin=subprocess.PIPE, text=True, cwd="/", start_new_session=True
        )
        self._process: subprocess.Popen[str] | None = None
        self._numbers = itertools.count(1)
        self.name = self.folder.name
        self.data = self.folder / "data"
        self.password = password
        self.tls = tls
        self.port, self._claim = _free_port()
        self._give(self.folder)

    def initialize(self, settings: dict[str, str]) -> None:
        """Make its data, and say who may come in and how."""
        made = ["--locale=C", "--encoding=UTF8", "--auth=trust", "--no-sync", "--no-instructions"]
        self._call("initdb", "-D", str(self.data), "-U", SUPERUSER, *made)
        host, method = "hostssl" if self.tls else "host", "scram-sha-256" if self.password else "trust"
        (self.data / "pg_hba.conf").write_text(
            f"local all,replication {SUPERUSER} trust\nlocal all all {method}\n{host} all all 127.0.0.1/32 {method}\n"
        )
        if self.tls:
            authority = Authority.create(
                "PostgreSQL", dns=["localhost"], addresses=["127.0.0.1/32"], now=time.time(), lifetime=86400
            )
            leaf = authority.issue(["localhost"], ["127.0.0.1"], time.time(), 86400)
            self._keep("ca.pem", authority.certificate_pem)
            self._keep("server.crt", leaf.certificate_pem)
            self._keep("server.key", leaf.key_pem)
            settings = {"ssl": "on", **settings}
        self._set("postgresql.conf", {**_SETTINGS, **self._own_settings(), **settings})

    def copy(self, primary: "Cluster") -> None:
        """Become a standby of another cluster."""
        source = f"host={primary.folder} port={primary.port} user={SUPERUSER} application_name={self.name}"
        words = ["-D", str(self.data), "-d", source, "--checkpoint=fast", "--no-sync"]
        self._call("pg_basebackup", "--write-recovery-conf", *words)
        # What was changed on the primary is in this file, which goes before the other.
        self._set("postgresql.auto.conf", {**self._own_settings(), "synchronous_standby_names": ""})

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_ENVIRONMENT,
                text=True,
                start_new_session=True,  # Ctrl-C is for the tests
                **_unprivileged(),
            )
        until(self._takes_connections)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Smart waits for the clients to go, fast rolls back what they do, immediate leaves all to the next start."""
        assert self._process is not None
        self._process.send_signal(_SIGNALS[mode])
        self._process.wait(60)

    def pause(self) -> None:
        """Freeze all of its processes, as on a host that hangs: connections stay, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        until(lambda: _state(self._postmaster) == "T")  # from here on it makes no new processes
        found = self.processes
        _signal(found, signal.SIGSTOP)
        until(lambda: all(_state(one) in "TZ" for one in found))

    def resume(self) -> None:
        _signal(self.processes, signal.SIGCONT)

    def kill(self) -> None:
        """End all of its processes at once. What they have written is there: this is no power cut."""
        self.pause()
        _signal(self.processes, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        until(lambda: not self.processes)

    def promote(self) -> None:
        """Make a standby a primary."""
        assert self.run("SELECT pg_promote(true, 60)") == [(True,)], self.logs

    def configure(self, **settings: str) -> None:
        """Change settings that need no restart, for new sessions and for the server's own processes."""
        for name, value in settings.items():
            self.run(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        ((before,),) = self.run("SELECT pg_conf_load_time()")
        self.run("SELECT pg_reload_conf()")
        until(lambda: self.run("SELECT pg_conf_load_time()") > [(before,)])
        # The checkpointer is who tells the others whether a commit waits for a standby. It reads between checkpoints.
        self.run("CHECKPOINT")
        self.run("CHECKPOINT")

    def follow(self, standby: "Cluster", *, synchronous: bool) -> None:
        """Wait until the standby is fed; synchronous: from here on commits wait until one of those that were named so has them."""
        if synchronous:
            ((named,),) = self.run("SHOW synchronous_standby_names")
            names = [*named.removeprefix("ANY 1 (").removesuffix(")").split(", "), standby.name]
            self.configure(synchronous_standby_names=f"ANY 1 ({', '.join(filter(None, names))})")
        found = "streaming quorum" if synchronous else "streaming"
        asked = sql.SQL(
            "SELECT concat_ws(' ', state, nullif(sync_state, 'async')) FROM pg_stat_replication WHERE application_name = {}"
        ).format(sql.Literal(standby.name))
        until(lambda: self.run(asked) == [(found,)])

    def create_database(
        self,
        name: str,
        *,
        encoding: str = "UTF8",
        locale: str = "C",
        icu_locale: str = "",
        template: str = "template0",
    ) -> None:
        """A copy of the template, by default an empty one; its texts are ordered as in `locale`, or as ICU does it for a
        language."""
        made = sql.SQL(
            "CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy ENCODING {} LOCALE {}"
        ).format(*map(sql.Identifier, (name, OWNER, template)), sql.Literal(encoding), sql.Literal(locale))
        if icu_locale:
            made += sql.SQL(" LOCALE_PROVIDER icu ICU_LOCALE {}").format(sql.Literal(icu_locale))
        self.run(made)

    @contextmanager
    def database(self, **like: str) -> Iterator[str]:
        """The URL of a new database (its encoding and so on as in `create_database`), which is dropped at the end, whoever is
        connected still."""
        name = f"test_{next(self._numbers)}"
        self.create_database(name, **like)
        try:
            yield self.url(name)
        finally:
            self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(
        self, database: str, *others: "Cluster", over_socket: bool = False, port: int = 0, **parameters: str
    ) -> str:
        """Where OWNER finds a database: over TCP or the socket, on other clusters too, or on the port of what stands between."""
        host = quote(str(self.folder), safe="") if over_socket else "127.0.0.1"
        hosts = [f"{host}:{port or self.port}", *(f"127.0.0.1:{one.port}" for one in others)]
        user = f"{OWNER}:{quote(self.password, safe='')}" if self.password else OWNER
        if self.tls and not over_socket:
            parameters = {
                "sslmode": "verify-full",
                "sslrootcert": str(self.data / "ca.pem"),
                **parameters,
            }
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"postgresql://{user}@{','.join(hosts)}/{quote(database, safe='')}{query}"

    def run(
        self, statement: LiteralString | sql.Composed, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """Run one statement as SUPERUSER, in a session of its own; its rows, if it has any."""
        with psycopg.connect(
            host=str(self.folder), port=self.port, user=SUPERUSER, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description is not None else []

    @property
    def processes(self) -> list[int]:
        """All that run: they work in its data directory."""
        found: list[int] = []
        for cwd in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):  # it has ended meanwhile, or is another user's
                if cwd.readlink() == self.data:
                    found.append(int(cwd.parent.name))
        return found

    @property
    def logs(self) -> str:
        """What it has said since it was made."""
        return (self.folder / "log").read_text(errors="replace")

    def close(self) -> None:
        """End it, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._process.send_signal(_SIGNALS["immediate"])
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)  # so that it reaps its own; what is left then is killed
        self._keeper.communicate("over\n")
        if self._process is not None:
            self._process.wait()
        self._claim.close()

    @property
    def _postmaster(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _takes_connections(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.logs
        try:
            said = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return said[:1] == [str(self._process.pid)] and said[7:8] == ["ready   "]

    def _own_settings(self) -> dict[str, str]:
        return {
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "cluster_name": self.name,
        }

    def _call(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._programs / program, *words],
            cwd=self.folder,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **_unprivileged(),
        )
        assert done.returncode == 0, done.stderr

    def _set(self, file: str, settings: dict[str, str]) -> None:
        with (self.data / file).open("a") as written:
            written.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _keep(self, name: str, content: bytes) -> None:
        path = self.data / name
        path.write_bytes(content)
        path.chmod(0o600)
        self._give(path)

    def _give(self, path: Path) -> None:
        if given := _unprivileged():
            shutil.chown(path, given["user"], given["group"])


@contextmanager
def cluster(
    *, durable: bool = True, password: str = "", tls: bool = False, **settings: str
) -> Iterator[Cluster]:
    """A running one. Not durable: much quicker; what it has committed survives its own end, but not the machine's.

    With TLS it takes nothing else over TCP.
    """
    made = Cluster(password=password, tls=tls)
    try:
        made.initialize({"fsync": "on" if durable else "off", **settings})
        made.start()
        made.run(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(OWNER), sql.Literal(password or None)
            )
        )
        yield made
    finally:
        made.close()


@contextmanager
def standby_of(primary: Cluster, *, synchronous: bool) -> Iterator[Cluster]:
    """A copy of a running one that follows it. Once it has ended, commits that wait for it do so until the primary is told
    otherwise, as any that is synchronous: `configure(synchronous_standby_names="")`.
    """
    made = Cluster(password=primary.password, tls=primary.tls)
    try:
        made.copy(primary)
        made.start()
        primary.follow(made, synchronous=synchronous)
        yield made
    finally:
        made.close()


def _free_port() -> tuple[int, socket.socket]:
    """A port, and what holds the claim to it against other tests.

    It is none of those that the kernel gives to connections, so that it stays free while the cluster is down.
    """
    for port in random.sample(range(20_000, 32_000), 1000):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0keystead-tests-{port}")
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            claim.close()
        else:
            return port, claim
    raise AssertionError("no port is free")


def _unprivileged() -> dict[str, Any]:
    """Who runs it, as `subprocess` takes it: not root, whom it refuses."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


def _state(pid: int) -> str:
    """The state's letter in proc(5), Z for one that has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def _signal(pids: list[int], number: signal.Signals) -> None:
    for one in pids:
        with suppress(ProcessLookupError):
            os.kill(one, number)
