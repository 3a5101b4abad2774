"""Under load and kill -9, every key and alias behaves as if all calls had come one after the other."""

import http.client
import math
import os
import random
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tests.linearizability import Model, Operation, linearizable
from tests.live import Client, LiveServer

pytestmark = pytest.mark.alone

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
ROUNDS = 400 if EVIDENCE else 6
OBJECTS = 12  # keys, and as many aliases, in one round
CLIENTS = 3  # of one object: more overlap would excuse more
STEPS = 14  # of one client with one object

_KEY = {
    ("Enabled", "Encrypt"): ("ok", "Enabled"),
    ("Enabled", "DisableKey"): ("ok", "Disabled"),
    ("Enabled", "EnableKey"): ("ok", "Enabled"),
    ("Enabled", "ScheduleKeyDeletion"): ("ok", "PendingDeletion"),
    ("Disabled", "Encrypt"): ("Rejected.Disabled", "Disabled"),
    ("Disabled", "DisableKey"): ("ok", "Disabled"),
    ("Disabled", "EnableKey"): ("ok", "Enabled"),
    ("Disabled", "ScheduleKeyDeletion"): ("ok", "PendingDeletion"),
    ("PendingDeletion", "Encrypt"): ("Rejected.PendingDeletion", "PendingDeletion"),
    ("PendingDeletion", "CancelKeyDeletion"): ("ok", "Enabled"),
}


def key_step(state: str, asked: str) -> tuple[str, str]:
    return _KEY.get((state, asked), ("refused", state))


def alias_step(state: str, asked: str) -> tuple[str, str]:
    """The state is the key that the alias names, "" for none."""
    action, _, key = asked.partition(" ")
    if action == "CreateAlias":
        return ("refused", state) if state else ("ok", key)
    if not state:
        return "refused", state
    if action == "UpdateAlias":
        return "ok", key
    return ("ok", "") if action == "DeleteAlias" else (f"is {state}", state)


KEYS = Model("Enabled", key_step)
ALIASES = Model("", alias_step)


class Recorder:
    """Histories by object, written by many threads."""

    def __init__(self) -> None:
        self.histories: dict[str, list[Operation]] = {}
        self._lock = threading.Lock()

    def call(self, client: Client, about: str, asked: str, action: str, **parameters: str) -> None:
        began = time.monotonic()
        ended, answered = math.inf, ""
        try:
            status, members = client.call(action, **parameters)
            ended = time.monotonic()
            answered = self.answer(action, status, members)
        finally:
            with self._lock:
                self.histories.setdefault(about, []).append(Operation(began, ended, asked, answered))

    @staticmethod
    def answer(action: str, status: int, members: dict[str, object]) -> str:
        if status >= 400:
            return str(members["Code"]) if action == "Encrypt" else "refused"
        metadata = members.get("KeyMetadata")
        return f"is {metadata['KeyId']}" if action == "DescribeKey" and isinstance(metadata, dict) else "ok"


def work(
    server: LiveServer, recorder: Recorder, keys: list[str], others: list[str], chance: random.Random
) -> None:
    client = server.client()
    actions = ["Encrypt"] * 4 + ["DisableKey", "EnableKey", "ScheduleKeyDeletion", "CancelKeyDeletion"]
    try:
        for _ in range(STEPS * len(keys)):
            number = chance.randrange(len(keys))
            if chance.random() < 0.5:
                action = chance.choice(actions)
                more = {"Plaintext": "x"} if action == "Encrypt" else {}
                more |= {"PendingWindowInDays": "7"} if action == "ScheduleKeyDeletion" else {}
                recorder.call(client, keys[number], action, action, KeyId=keys[number], **more)
                continue
            name, key = f"alias/of-{keys[number]}", chance.choice(others)
            action = chance.choice(
                ["CreateAlias", "UpdateAlias", "DeleteAlias", "DescribeKey", "DescribeKey"]
            )
            if action == "DescribeKey":
                recorder.call(client, name, action, action, KeyId=name)
            elif action == "DeleteAlias":
                recorder.call(client, name, action, action, AliasName=name)
            else:
                recorder.call(client, name, f"{action} {key}", action, AliasName=name, KeyId=key)
    except (OSError, http.client.HTTPException, ValueError):
        pass
    finally:
        client.close()


def rounds(server: LiveServer, count: int, kill: bool) -> tuple[int, int, list[str]]:
    """Histories and operations recorded, and the objects whose histories no order explains."""
    wrong: list[str] = []
    histories = operations = 0
    server.start()
    try:
        for number in range(count):
            client = server.client()
            keys = [str(client.ok("CreateKey")["KeyMetadata"]["KeyId"]) for _ in range(OBJECTS)]
            others = [str(client.ok("CreateKey")["KeyMetadata"]["KeyId"]) for _ in range(2)]
            client.close()
            recorder = Recorder()
            # Three clients for each third of the objects.
            threads = [
                threading.Thread(
                    target=work,
                    args=(server, recorder, keys[part::3], others, random.Random(f"{number} {part} {one}")),
                )
                for part in range(3)
                for one in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            if kill and number % 2:
                time.sleep(0.1)
                server.kill()
            for thread in threads:
                thread.join()
            if kill and number % 2:
                server.start()
            client = server.client()
            for key in keys:
                recorder.call(client, key, "Encrypt", "Encrypt", KeyId=key, Plaintext="x")
                name = f"alias/of-{key}"
                recorder.call(client, name, "DescribeKey", "DescribeKey", KeyId=name)
            client.close()
            histories += len(recorder.histories)
            operations += sum(map(len, recorder.histories.values()))
            for about, history in recorder.histories.items():
                if not linearizable(history, ALIASES if about.startswith("alias/") else KEYS):
                    wrong.append(about)
    finally:
        server.kill()
    return histories, operations, wrong


@pytest.mark.crash
def test_every_history_has_an_order(tmp_path: Path) -> None:
    began = time.monotonic()
    histories, operations, wrong = rounds(LiveServer(tmp_path / "data"), ROUNDS, kill=True)
    print(f"linearizable: {histories} histories, {operations} operations, {time.monotonic() - began:.0f} s")
    assert wrong == []
    assert operations > ROUNDS * OBJECTS * 10


STALE = """
    import random, sys
    from keystead.api import pipeline
    from keystead.domain.keys.lifecycle import KeyState

    admit = pipeline.admit

    def stale(gate, state):
        # A look at a state that was cached before the key was disabled.
        admit(gate, KeyState.ENABLED if state is KeyState.DISABLED and random.random() < 0.2 else state)

    pipeline.admit = stale
    from keystead.cli import main
    sys.exit(main())
"""


@pytest.mark.crash
def test_a_planted_stale_state_is_found(tmp_path: Path) -> None:
    program = tmp_path / "stale.py"
    program.write_text(textwrap.dedent(STALE))
    server = LiveServer(tmp_path / "data", program=[sys.executable, str(program)])
    # One round shows about three such histories, but now and then none.
    assert rounds(server, 6, kill=False)[2] != []


# --- the checker itself


def history(*rows: tuple[float, float, str, str]) -> list[Operation]:
    return [Operation(*row) for row in rows]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], True),
        ([(0, 1, "Encrypt", "ok")], True),
        ([(0, 1, "Encrypt", "Rejected.Disabled")], False),
        ([(0, 1, "DisableKey", "ok"), (2, 3, "Encrypt", "ok")], False),
        ([(0, 3, "DisableKey", "ok"), (1, 2, "Encrypt", "ok")], True),
        (
            [(0, 3, "DisableKey", "ok"), (1, 2, "Encrypt", "Rejected.Disabled"), (2.5, 4, "Encrypt", "ok")],
            False,
        ),
        ([(0, math.inf, "DisableKey", ""), (1, 2, "Encrypt", "Rejected.Disabled")], True),
        ([(0, math.inf, "DisableKey", ""), (1, 2, "Encrypt", "ok")], True),
        (
            [
                (0, math.inf, "DisableKey", ""),
                (1, 2, "Encrypt", "Rejected.Disabled"),
                (3, 4, "Encrypt", "ok"),
            ],
            False,
        ),
        ([(1, math.inf, "DisableKey", ""), (0, 0.5, "Encrypt", "Rejected.Disabled")], False),
        (
            [(0, 9, "DisableKey", "ok"), (0, 9, "EnableKey", "ok"), (10, 11, "Encrypt", "Rejected.Disabled")],
            True,
        ),
    ],
)
def test_the_checker(rows: list[tuple[float, float, str, str]], expected: bool) -> None:
    assert linearizable(history(*rows), KEYS) is expected


def test_the_checker_on_aliases() -> None:
    good = history(
        (0, 1, "CreateAlias a", "ok"), (2, 5, "UpdateAlias b", "ok"), (3, 4, "DescribeKey", "is a")
    )
    assert linearizable(good, ALIASES)
    assert not linearizable([*good, Operation(6, 7, "DescribeKey", "is a")], ALIASES)
    assert not linearizable(history((0, 1, "DeleteAlias", "ok")), ALIASES)
