"""Three servers on one database: under load, kills, stops and cuts, all behaves as if all calls had come one after the other."""

import json
import os
import random
import signal
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from keystead.domain.products import RAM
from keystead.store.postgresql.session import FENCE, LOCKS
from tests.crash.site import AccessKey, Caller, Site
from tests.histories import GONE, Recorder
from tests.live import Client
from tests.postgres import Cluster, cluster, until
from tests.ram import allow

pytestmark = [pytest.mark.alone, pytest.mark.crash]

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
OPERATIONS = 100_000 if EVIDENCE else 2_500
TROUBLES = ["kill", "stop", "cut", "lose the answer", "lose the commit", "stall"]
RARE = [*TROUBLES, "stop for long", *TROUBLES, "stall for long", *TROUBLES, "fail over"]
LONG = 7.0  # seconds: more than the database waits for a server in the middle of a batch
PARTS = 3  # groups of objects; of each three clients
CLIENTS = 3  # of one object: more overlap would excuse more
KEYS = 12  # and as many aliases, in one round
STEPS = 10  # of one client with one key and its alias
LIMIT = 120.0  # seconds for one round


class People(NamedTuple):
    """Whose right to use a key is given and taken, and whose AccessKey is switched off and on."""

    user: str
    user_key: AccessKey
    other: str
    other_key: AccessKey


class World(NamedTuple):
    """What there is in all rounds: a key that stays enabled, and people for each part."""

    root: AccessKey
    steady: str
    people: list[People]


class Objects(NamedTuple):
    """What a client works with in a round: keys with a ciphertext of each, and keys that aliases may name."""

    keys: list[tuple[str, str]]
    others: list[str]


def ram(action: str, **parameters: str) -> dict[str, str]:
    return {"action": action, "Version": RAM.version, **parameters}


WINDOW = {"PendingWindowInDays": "7"}
POLICY = {"PolicyType": "Custom", "PolicyName": "use"}


def world(site: Site) -> World:
    caller = Caller(site.servers, site.access_key)
    client = caller.to(0)
    steady = client.ok("CreateKey")["KeyMetadata"]["KeyId"]
    client.ok(**ram("CreatePolicy", PolicyName="use", PolicyDocument=json.dumps(allow("kms:Encrypt"))))

    def person(name: str) -> AccessKey:
        client.ok(**ram("CreateUser", UserName=name))
        client.ok(**ram("AttachPolicyToUser", **POLICY, UserName=name))
        made = client.ok(**ram("CreateAccessKey", UserName=name))["AccessKey"]
        return made["AccessKeyId"], made["AccessKeySecret"]

    people = [
        People(f"user-{part}", person(f"user-{part}"), f"other-{part}", person(f"other-{part}"))
        for part in range(PARTS)
    ]
    caller.close()
    return World(site.access_key, steady, people)


class Worker:
    """One client of one part: each of its calls goes to one of the servers."""

    def __init__(
        self, site: Site, recorder: Recorder, here: World, part: int, objects: Objects, seed: str
    ) -> None:
        self._servers = range(len(site.servers))
        self._recorder = recorder
        self._use = {"KeyId": here.steady, "Plaintext": "x"}
        self._people = here.people[part]
        self._objects = objects
        self._chance = random.Random(seed)
        self._caller = Caller(site.servers, here.root)
        self._resting = threading.Event()  # that nobody sets
        self._end = time.monotonic() + LIMIT

    def run(self) -> None:
        kinds = [self._key] * 6 + [self._alias] * 6 + [self._user] * 2 + [self._access_key, self._request]
        for _ in range(STEPS * len(self._objects.keys)):
            if time.monotonic() > self._end:
                break
            try:
                sure = self._chance.choice(kinds)()
            except GONE:
                sure = False
            if not sure:
                self._resting.wait(0.1)
        self._caller.close()

    def _call(self, about: str, asked: str, given: dict[str, str], key: AccessKey | None = None) -> bool:
        client = self._caller.to(self._chance.choice(self._servers), key)
        return self._recorder.call(client, about, asked, asked.partition(" ")[0], **given)

    def _key(self) -> bool:
        key_id, blob = self._chance.choice(self._objects.keys)
        changes = ["DisableKey", "EnableKey", "ScheduleKeyDeletion", "CancelKeyDeletion"]
        action = self._chance.choice(["Encrypt", "Encrypt", "Decrypt", "Decrypt", *changes])
        given = {"CiphertextBlob": blob} if action == "Decrypt" else {"KeyId": key_id}
        given |= {"Plaintext": "x"} if action == "Encrypt" else {}
        given |= WINDOW if action == "ScheduleKeyDeletion" else {}
        return self._call(f"key {key_id}", action, given)

    def _alias(self) -> bool:
        key_id, key = self._chance.choice(self._objects.keys)[0], self._chance.choice(self._objects.others)
        name = f"alias/of-{key_id}"
        action = self._chance.choice(
            ["CreateAlias", "UpdateAlias", "DeleteAlias", "DescribeKey", "DescribeKey"]
        )
        if action == "DescribeKey":
            return self._call(f"alias {name}", action, {"KeyId": name})
        if action == "DeleteAlias":
            return self._call(f"alias {name}", action, {"AliasName": name})
        return self._call(f"alias {name}", f"{action} {key}", {"AliasName": name, "KeyId": key})

    def _user(self) -> bool:
        user, key = self._people.user, self._people.user_key
        action = self._chance.choice(["Encrypt", "Encrypt", "AttachPolicyToUser", "DetachPolicyFromUser"])
        if action == "Encrypt":
            return self._call(f"user {user}", action, self._use, key)
        return self._call(f"user {user}", action, {**POLICY, "UserName": user, "Version": RAM.version})

    def _access_key(self) -> bool:
        user, key = self._people.other, self._people.other_key
        action = self._chance.choice(
            ["Encrypt", "Encrypt", "UpdateAccessKey Active", "UpdateAccessKey Inactive"]
        )
        about, (name, _, status) = f"access key {key[0]}", action.partition(" ")
        if name == "Encrypt":
            return self._call(about, name, self._use, key)
        given = {"UserName": user, "UserAccessKeyId": key[0], "Status": status, "Version": RAM.version}
        return self._call(about, action, given)

    def _request(self) -> bool:
        """One signed request to all servers at once, and once more to one of them when they have answered."""
        about = f"request {uuid.uuid4()}"
        target = self._caller.to(self._chance.choice(self._servers)).sign("Encrypt", **self._use)
        sure = send(self._recorder, self._caller, about, target, self._servers)
        return (
            send(self._recorder, self._caller, about, target, [self._chance.choice(self._servers)]) and sure
        )


def send(recorder: Recorder, caller: Caller, about: str, target: str, servers: Sequence[int]) -> bool:
    """The same request to these servers, before any of them has answered; whether all answered for sure."""
    sent: list[tuple[int, float]] = []
    sure = True
    for number in servers:
        began = time.monotonic()
        try:
            caller.to(number).post(target, {"User-Agent": about})
        except GONE as error:
            if not isinstance(error, ConnectionRefusedError):
                recorder.lost(about, "send", began)
            sure = False
        else:
            sent.append((number, began))
    for number, began in sent:
        try:
            sure &= recorder.receive(caller.to(number), about, "send", began)
        except GONE:
            sure = False
    return sure


def trouble(site: Site, what: str, number: int) -> None:
    """What happens to a server, and its end."""
    rest = threading.Event().wait
    cuts = site.cuts[number]
    seconds = LONG if what.endswith("for long") else 0.7
    if what == "kill":
        site.servers[number].kill()
        site.servers[number].start()
    elif what.startswith("stop"):
        site.signal(number, signal.SIGSTOP)
        rest(seconds)
        site.signal(number, signal.SIGCONT)
    elif what == "cut":
        for cut in cuts:
            cut.cut()
        rest(seconds)
        for cut in cuts:
            cut.heal()
    elif what.startswith("stall"):
        for cut in cuts:
            cut.stall()
        rest(seconds)
        for cut in cuts:
            cut.heal()
    elif what == "fail over":
        site.fail_over()
    else:
        for cut in cuts:
            (cut.lose_answer if what == "lose the answer" else cut.lose_commit)()


def one_round(site: Site, here: World, seed: str, what: str) -> Recorder:
    """The histories of new objects, up to the state in which they are at the end; `what` happens meanwhile."""
    site.settle()
    caller, chance, recorder = Caller(site.servers, here.root), random.Random(seed), Recorder()
    client = caller.to(0)
    keys = []
    for _ in range(KEYS):
        key_id = str(client.ok("CreateKey")["KeyMetadata"]["KeyId"])
        keys.append((key_id, str(client.ok("Encrypt", KeyId=key_id, Plaintext="x")["CiphertextBlob"])))
    others = [str(client.ok("CreateKey")["KeyMetadata"]["KeyId"]) for _ in range(2)]
    for one in here.people:
        client.call(**ram("AttachPolicyToUser", **POLICY, UserName=one.user))
        active = {"UserName": one.other, "UserAccessKeyId": one.other_key[0], "Status": "Active"}
        client.ok(**ram("UpdateAccessKey", **active))
    workers = [
        Worker(site, recorder, here, part, Objects(keys[part::PARTS], others), f"{seed} {part} {number}")
        for part in range(PARTS)
        for number in range(CLIENTS)
    ]
    threads = [threading.Thread(target=one.run, daemon=True) for one in workers]
    for thread in threads:
        thread.start()
    until(lambda: recorder.operations > 40 or not any(one.is_alive() for one in threads))
    trouble(site, what, chance.randrange(len(site.servers)))
    for thread in threads:
        thread.join(LIMIT * 2)
        assert not thread.is_alive()
    for cut in (one for pair in site.cuts for one in pair):
        cut.heal()
    site.settle()
    look(site, here, recorder, [key for key, _ in keys], chance)
    caller.close()
    return recorder


def look(site: Site, here: World, recorder: Recorder, keys: list[str], chance: random.Random) -> None:
    """At each object once more, for sure."""

    def call(about: str, action: str, key: AccessKey, **given: str) -> None:
        number = chance.randrange(len(site.servers))
        site.answered(number, key, lambda client: recorder.call(client, about, action, action, **given))

    for key_id in keys:
        call(f"key {key_id}", "Encrypt", here.root, KeyId=key_id, Plaintext="x")
        call(f"alias alias/of-{key_id}", "DescribeKey", here.root, KeyId=f"alias/of-{key_id}")
    for one in here.people:
        call(f"user {one.user}", "Encrypt", one.user_key, KeyId=here.steady, Plaintext="x")
        call(f"access key {one.other_key[0]}", "Encrypt", one.other_key, KeyId=here.steady, Plaintext="x")


def unrecorded(site: Site, answered: set[str]) -> list[str]:
    """What was answered and has no record; and what was accepted more often than once."""
    recorded = {row[0] for row in site.ask("SELECT request_id FROM audit")}
    twice = site.ask(
        "SELECT user_agent FROM audit WHERE user_agent LIKE 'request %' AND code <> 'SignatureNonceUsed' "
        "GROUP BY user_agent HAVING count(*) > 1"
    )
    return [*(f"record of {one}" for one in answered - recorded), *(f"twice {one}" for (one,) in twice)]


@pytest.fixture
def primary(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One that may be killed, or else the one of all tests."""
    if EVIDENCE:
        with cluster() as running:
            yield running
    else:
        yield request.getfixturevalue("postgres")


def test_every_history_has_an_order(tmp_path: Path, primary: Cluster) -> None:
    began, operations, histories = time.monotonic(), 0, 0
    wrong: list[str] = []
    answered: set[str] = set()
    happened: list[str] = []
    with Site(tmp_path, primary, standby="synchronous" if EVIDENCE else "") as site:
        here = world(site)
        for number in count():
            happened.append((RARE if EVIDENCE else TROUBLES)[number % len(RARE if EVIDENCE else TROUBLES)])
            recorder = one_round(site, here, f"round {number}", happened[-1])
            wrong += [f"round {number}, {happened[-1]}: {about}" for about in recorder.wrong()]
            histories += len(recorder.histories)
            operations += recorder.operations
            answered |= recorder.requests
            if operations >= OPERATIONS and set(TROUBLES) <= set(happened):
                break
        wrong += unrecorded(site, answered)
    seconds = time.monotonic() - began
    print(
        f"linearizable servers: {operations} operations, {histories} histories, {len(happened)} rounds, {seconds:.0f} s"
    )
    assert wrong == []


# --- the harness has teeth

IN_ONE_STATEMENT = f"""
    # The lock is taken by the statement that reads the revision, which sees what was committed before it waited.
    held = "WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock%s({LOCKS}, {FENCE})) SELECT "
    fence._LOCK = Statement("lock", "SELECT $1::int, $2::int")
    fence._STATE = Statement("state", held % "" + fence._STATE.sql.decode().removeprefix("SELECT ") + " FROM held")
    fence._SHARED = fence._LOCK
    known = "1 / ((SELECT revision FROM fence) = $3::bigint)::int FROM held WHERE $1::text <> $2::bigint::text"
    fence._KEEP_OUT = Statement("keep_out", held % "_shared" + known)
    fence._STALE = "22012"
"""
NOT_KEPT_OUT = """
    fence._KEEP_OUT = Statement("keep_out", "SELECT $1::text, $2::bigint, $3::bigint")
"""


def planted(folder: Path, change: str) -> list[str]:
    """The program of a server that is changed so."""
    file = folder / "planted.py"
    imports = "import sys\nfrom keystead.store.postgresql import fence\nfrom keystead.store.postgresql.round_trip import Statement\n"
    file.write_text(f"{imports}{textwrap.dedent(change)}\nfrom keystead.cli import main\nsys.exit(main())\n")
    return [sys.executable, str(file)]


def crossed(site: Site) -> list[str] | None:
    """What no order explains of a key that one server changes and another uses, and that both change at once.

    None if one of the calls was not answered in time, as on a machine that is busy otherwise.
    """
    recorder, key = Recorder(), site.access_key
    first, second = Caller(site.servers, key), Caller(site.servers, key)
    key_id = first.to(0).ok("CreateKey")["KeyMetadata"]["KeyId"]
    answered: list[bool] = []

    def call(client: Client, action: str, **more: str) -> None:
        answered.append(recorder.call(client, f"key {key_id}", action, action, KeyId=key_id, **more))

    for action in ("EnableKey", "DisableKey", "EnableKey"):
        call(first.to(0), action)
        call(second.to(1), "Encrypt", Plaintext="x")

    def wait_or_are_over(count: int) -> bool:
        waiting = site.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return waiting == [(count,)] or not threads[0].is_alive()

    threads = [
        threading.Thread(target=call, args=(first.to(0), "ScheduleKeyDeletion"), kwargs=WINDOW, daemon=True),
        threading.Thread(target=call, args=(second.to(1), "DisableKey"), daemon=True),
    ]
    with site.lock(LOCKS, FENCE):
        for number, thread in enumerate(threads, 1):
            thread.start()
            until(partial(wait_or_are_over, number))
    for thread in threads:
        thread.join(LIMIT)
    for caller, number in ((first, 0), (second, 1)):
        call(caller.to(number), "Encrypt", Plaintext="x")
        caller.close()
    return recorder.wrong() if len(answered) == 10 and all(answered) else None


@pytest.mark.parametrize(
    "change", [IN_ONE_STATEMENT, NOT_KEPT_OUT, ""], ids=["one statement", "not kept out", "none"]
)
def test_a_planted_change_is_found(change: str, tmp_path: Path, postgres: Cluster) -> None:
    with Site(tmp_path, postgres, 2, program=planted(tmp_path, change)) as site:
        found = next(one for one in (crossed(site) for _ in range(20)) if one is not None)
        assert bool(found) is bool(change)
