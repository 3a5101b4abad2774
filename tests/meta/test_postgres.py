"""The clusters and the network that tests of databases rely on."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests import postgres as clusters
from tests.cut import Cut
from tests.postgres import Cluster, cluster, standby_of, until

ROOT = Path(__file__).parents[2]


def rows(url: str) -> int:
    """How many rows the table has."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM t").fetchone()
    assert found is not None
    return int(found[0])


def made(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    """A session, and a new table."""
    connection = psycopg.connect(url)
    connection.execute("CREATE TABLE t (n int)")
    connection.commit()
    return connection


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    with cluster(durable=False, password="s3cret/@ :", tls=True) as running:
        yield running


def test_each_test_has_an_empty_database_of_its_own(postgres: Cluster) -> None:
    with postgres.database() as one, postgres.database() as other:
        assert one != other
        with made(one) as first, made(other):
            order = first.execute("SELECT 'a' < 'B', current_user, current_setting('is_superuser')")
            assert order.fetchone() == (False, "keystead", "off")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(one)


def test_a_database_of_another_encoding_and_order(postgres: Cluster) -> None:
    with postgres.database(encoding="LATIN1") as latin, psycopg.connect(latin) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("LATIN1",)
    with postgres.database(icu_locale="en-US") as english, psycopg.connect(english) as connection:
        assert connection.execute("SELECT 'a' < 'B'").fetchone() == (True,)


def test_what_is_committed_is_there_after_a_kill(guarded: Cluster) -> None:
    with guarded.database() as url:
        with made(url) as connection:
            connection.execute("INSERT INTO t VALUES (1)")
            connection.commit()
            connection.execute("INSERT INTO t VALUES (2)")
            before = guarded.processes
            guarded.kill()
            assert len(before) > 3
            assert guarded.processes == []
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        guarded.start()
        assert rows(url) == 1
        assert "automatic recovery in progress" in guarded.logs
        guarded.stop("smart")
        guarded.start()
        assert rows(url) == 1


def test_a_password_is_asked_for(guarded: Cluster) -> None:
    for over_socket in (False, True):
        url = guarded.url("postgres", over_socket=over_socket)
        psycopg.connect(url).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url, password="other")


def test_a_frozen_server_answers_later(guarded: Cluster) -> None:
    with guarded.database() as url, made(url) as connection:
        guarded.pause()
        answered = threading.Event()

        def ask() -> None:
            connection.execute("INSERT INTO t VALUES (1)")
            connection.commit()
            answered.set()

        asking = threading.Thread(target=ask)
        asking.start()
        assert not answered.wait(0.1)
        guarded.resume()
        asking.join()
        assert rows(url) == 1


def test_a_standby_has_what_was_acknowledged(guarded: Cluster) -> None:
    with standby_of(guarded, synchronous=True) as standby:
        guarded.create_database("kept")
        with made(guarded.url("kept")) as connection:
            standby.pause()
            connection.execute("INSERT INTO t VALUES (1)")
            committing = threading.Thread(target=connection.commit)
            committing.start()
            try:
                until(lambda: guarded.run("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
                assert committing.is_alive()
            finally:
                standby.resume()
            committing.join()
            guarded.kill()
        standby.promote()
        assert rows(standby.url("kept")) == 1
        assert rows(guarded.url("kept", standby, target_session_attrs="read-write")) == 1
    guarded.start()
    guarded.configure(synchronous_standby_names="")
    guarded.run("DROP DATABASE kept")


def test_only_tls_is_let_in(guarded: Cluster, tmp_path: Path) -> None:
    with psycopg.connect(guarded.url("postgres")) as connection:
        found = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert found.fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(guarded.url("postgres", sslmode="disable"))
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        psycopg.connect(guarded.url("postgres", sslrootcert=str(tmp_path / "none.pem")))


@pytest.fixture
def through(postgres: Cluster) -> Iterator[tuple[Cut, str, str]]:
    """The network, and the URLs of a database over it and beside it."""
    with postgres.database() as url, Cut(postgres.port) as cut:
        name = urlsplit(url).path[1:]
        yield cut, postgres.url(name, port=cut.port), url


def test_a_cut_network(through: tuple[Cut, str, str]) -> None:
    cut, over, beside = through
    with made(over) as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        cut.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(over)
    cut.heal()
    assert rows(over) == rows(beside) == 0


def test_a_stalled_network_brings_all_later(through: tuple[Cut, str, str]) -> None:
    cut, over, beside = through
    with made(over) as connection:
        cut.stall()
        asking = [
            threading.Thread(target=connection.execute, args=("INSERT INTO t VALUES (1)",)),
            threading.Thread(target=rows, args=(over,)),
        ]
        for one in asking:
            one.start()
            one.join(0.1)
            assert one.is_alive()
        cut.heal()
        for one in asking:
            one.join()
        connection.commit()
    assert rows(beside) == 1


@pytest.mark.parametrize(("lost", "kept"), [("commit", 0), ("answer", 1)])
@pytest.mark.parametrize("pipelined", [False, True])
def test_a_lost_commit_and_a_lost_answer(
    through: tuple[Cut, str, str], lost: str, kept: int, pipelined: bool
) -> None:
    cut, over, beside = through
    with made(over) as connection:
        (cut.lose_commit if lost == "commit" else cut.lose_answer)()
        with pytest.raises(psycopg.OperationalError):
            if pipelined:
                with connection.pipeline():
                    connection.execute("INSERT INTO t VALUES (1)")
                    connection.commit()
            else:
                connection.execute("INSERT INTO t VALUES (1)")
                assert cut.losses == 0
                connection.commit()
    assert cut.losses == 1
    assert rows(beside) == kept
    with psycopg.connect(over) as again:
        again.execute("INSERT INTO t VALUES (2)")
    assert rows(beside) == kept + 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_tests(number: signal.Signals) -> None:
    clusters.programs()
    program = (
        "from tests.postgres import *\n"
        "with cluster(durable=False) as one:\n"
        "    one.pause()\n"
        "    print(one.folder, *one.processes, flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as tests:
        assert tests.stdout is not None
        folder, *processes = tests.stdout.readline().split()
        tests.send_signal(number)
    assert len(processes) > 3
    until(lambda: not Path(folder).exists())
    assert not [one for one in processes if Path(f"/proc/{one}/cwd").exists()]
