"""The database of several servers fails over, goes away, hangs, can't be written, goes back in time: and what clients see."""

import http.client
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.crash.ledger import Ledger
from tests.crash.load import WITHIN, Load, losses, proved
from tests.crash.site import Caller, Site
from tests.cut import Cut
from tests.live import LiveServer, keystead
from tests.postgres import cluster, until

pytestmark = [pytest.mark.alone, pytest.mark.crash]

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
TIMES = 20 if EVIDENCE else 1
LONGEST = 38.0  # seconds until a client is answered, whatever the database does
BACK, OLDER = "has gone back in time", "the database is a"  # an older copy, or another one


def ready(server: LiveServer) -> tuple[int, dict[str, Any]]:
    host = str(server.description["ops_url"]).partition("://")[2]
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", "/ready")
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def create(site: Site, number: int, name: str) -> str:
    """The id of a new key with an alias."""
    caller = Caller(site.servers, site.access_key)
    client = caller.to(number)
    key_id = str(client.ok("CreateKey")["KeyMetadata"]["KeyId"])
    client.ok("CreateAlias", KeyId=key_id, AliasName=f"alias/{name}")
    caller.close()
    return key_id


def refuses(server: LiveServer) -> bool:
    """Whether it says that its database has gone back in time."""
    status, members = ready(server)
    return status == 503 and any(BACK in one for one in members["problems"])


# --- a standby takes the place of the primary


def test_with_a_synchronous_standby_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    ledger, slowest = Ledger(), 0.0
    with cluster() as primary, Site(tmp_path, primary, standby="synchronous") as site:
        assert [ready(one)[1]["database"] for one in site.servers] == [[], [], []]
        load = Load(site, ledger, "before")
        for _ in range(TIMES):
            load.more(50)
            site.primary.kill()
            lost = site.promote()
            began = time.monotonic()
            load.more(1)
            slowest = max(slowest, time.monotonic() - began)
            site.replace(lost)
        load.end()
        site.settle()
        assert losses(site, ledger) == []
        assert proved(site) == []
    print(
        f"failover: {TIMES} times, {len(ledger.requests)} answers; {slowest:.1f} s until they go on, {load.later} to try later"
    )


def test_a_commit_that_no_standby_has_is_not_taken_for_one(tmp_path: Path) -> None:
    """The connection is lost while the primary waits for the standby: there it is committed, and only there."""
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'keystead'"
    )
    with cluster() as primary, Site(tmp_path, primary, 1, standby="synchronous") as site:
        assert site.standby is not None
        key_id = create(site, 0, "first")
        site.standby.stop()
        answers: list[int] = []

        def ask() -> None:
            caller = Caller(site.servers, site.access_key)
            answers.append(caller.to(0).call("CreateAlias", KeyId=key_id, AliasName="alias/late")[0])
            caller.close()

        client = threading.Thread(target=ask, daemon=True)
        client.start()
        until(lambda: site.ask(waiting))
        ((pid,),) = site.ask(waiting)
        site.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        # The server looks what became of it, and waits for the standby again.
        until(lambda: answers or any(row != (pid,) for row in site.ask(waiting)))
        assert answers == []
        site.primary.kill()
        site.standby.start()
        site.promote()
        client.join(WITHIN)
        site.settle()
        caller = Caller(site.servers, site.access_key)
        there = caller.to(0).call("DescribeKey", KeyId="alias/late")[0]
        caller.close()
        assert answers == [200] or answers == [503]
        assert there == 200 or answers == [503]


# --- a database that is older than it was


def restored(site: Site, lose: Callable[[], object]) -> None:
    """The database is put back from a copy of its files, made before something was lost."""
    primary = site.primary
    kept = primary.folder / "kept"
    primary.stop()
    subprocess.run(["cp", "-a", primary.data, kept], check=True)
    primary.start()
    site.settle()
    lose()
    primary.stop("immediate")
    shutil.rmtree(primary.data)
    kept.rename(primary.data)
    primary.start()


def promoted(site: Site, lose: Callable[[], object]) -> None:
    """A standby takes over that was not there when something was lost."""
    assert site.standby is not None
    site.standby.stop()
    lose()
    site.primary.kill()
    site.standby.start()
    site.promote()


@pytest.mark.parametrize("how", [restored, promoted])
def test_a_database_that_went_back_in_time_is_refused(
    how: Callable[[Site, Callable[[], object]], None], tmp_path: Path
) -> None:
    with cluster() as primary, Site(tmp_path, primary, 2, standby="asynchronous") as site:
        first = create(site, 0, "first")

        def lose() -> None:
            create(site, 0, "second")
            use(site, 1, first)

        how(site, lose)
        for server in site.servers:
            until(partial(refuses, server), WITHIN)
        caller = Caller(site.servers, site.access_key)
        for number in (0, 1):
            assert caller.to(number).call("Encrypt", KeyId=first, Plaintext="x")[0] == 503
        caller.close()
        for server in site.servers:
            server.stop()
            server.start(wait=False)
            assert server.process is not None
            assert server.process.wait(30) == 1
            assert OLDER in server.log.read_text().rpartition("error: ")[2]


def use(site: Site, number: int, key_id: str) -> None:
    caller = Caller(site.servers, site.access_key)
    caller.to(number).ok("Encrypt", KeyId=key_id, Plaintext="x")
    caller.close()


# --- a database that does not do what it is asked


def gone(site: Site) -> None:
    site.primary.stop("immediate")
    threading.Event().wait(3)
    site.primary.start()


def frozen(site: Site) -> None:
    site.primary.pause()
    threading.Event().wait(8)
    site.primary.resume()


def stalled(site: Site) -> None:
    for pair in site.cuts:
        pair[0].stall()
    threading.Event().wait(20 if EVIDENCE else 8)
    for pair in site.cuts:
        pair[0].heal()


def read_only(site: Site) -> None:
    site.primary.configure(default_transaction_read_only="on")
    try:
        until(lambda: all(ready(one)[0] == 503 for one in site.servers), WITHIN)
    finally:
        site.primary.configure(default_transaction_read_only="off")


def has_lost(cut: Cut, count: int) -> bool:
    return cut.losses >= count


def answers_lost(site: Site) -> None:
    for number in range(100 if EVIDENCE else 12):
        (cut,) = site.cuts[number % len(site.cuts)]
        before = cut.losses
        cut.lose_answer()
        until(partial(has_lost, cut, before + 1), WITHIN)


@pytest.fixture(scope="module")
def without_standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For all of what follows: each leaves it as it was."""
    with cluster() as primary, Site(tmp_path_factory.mktemp("site"), primary) as site:
        yield site


def test_without_a_synchronous_standby_it_is_said(without_standby: Site) -> None:
    server = without_standby.servers[0]
    said = "synchronous_standby_names is empty"
    status, members = ready(server)
    assert status == 200
    assert [said in one for one in members["database"]] == [True]
    assert said in server.log.read_text()
    doctor = keystead("doctor", "--data", str(server.data), env=server.env, timeout=WITHIN)
    assert said in doctor.stdout + doctor.stderr


@pytest.mark.parametrize("trouble", [gone, frozen, stalled, read_only, answers_lost])
def test_clients_are_answered_whatever_the_database_does(
    trouble: Callable[[Site], None], without_standby: Site
) -> None:
    site, ledger = without_standby, Ledger()
    site.settle()
    load = Load(site, ledger, trouble.__name__)
    load.more(30)
    trouble(site)
    load.more(30)
    load.end()
    site.settle()
    assert losses(site, ledger) == []
    assert proved(site) == []
    told = f"{load.longest:.1f} s at most, {load.later} to try later"
    print(f"{trouble.__name__}: {len(ledger.requests)} answers, {told}")
    assert load.longest < LONGEST
    if trouble is answers_lost:
        assert load.later == 0  # what became of each commit was found out
