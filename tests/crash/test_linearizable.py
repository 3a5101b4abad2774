"""Under load and kill -9, every key and alias behaves as if all calls had come one after the other."""

import math
import os
import random
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tests.histories import GONE, KEYS, MODELS, Recorder
from tests.linearizability import Operation, linearizable
from tests.live import LiveServer

pytestmark = pytest.mark.alone

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
ROUNDS = 400 if EVIDENCE else 6
OBJECTS = 12  # keys, and as many aliases, in one round
CLIENTS = 3  # of one object: more overlap would excuse more
STEPS = 14  # of one client with one object


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
                recorder.call(client, f"key {keys[number]}", action, action, KeyId=keys[number], **more)
                continue
            name, key = f"alias/of-{keys[number]}", chance.choice(others)
            about = f"alias {name}"
            action = chance.choice(
                ["CreateAlias", "UpdateAlias", "DeleteAlias", "DescribeKey", "DescribeKey"]
            )
            if action == "DescribeKey":
                recorder.call(client, about, action, action, KeyId=name)
            elif action == "DeleteAlias":
                recorder.call(client, about, action, action, AliasName=name)
            else:
                recorder.call(client, about, f"{action} {key}", action, AliasName=name, KeyId=key)
    except GONE:
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
                recorder.call(client, f"key {key}", "Encrypt", "Encrypt", KeyId=key, Plaintext="x")
                name = f"alias/of-{key}"
                recorder.call(client, f"alias {name}", "DescribeKey", "DescribeKey", KeyId=name)
            client.close()
            histories += len(recorder.histories)
            operations += recorder.operations
            wrong += recorder.wrong()
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
    aliases = MODELS["alias"]
    good = history(
        (0, 1, "CreateAlias a", "ok"), (2, 5, "UpdateAlias b", "ok"), (3, 4, "DescribeKey", "is a")
    )
    assert linearizable(good, aliases)
    assert not linearizable([*good, Operation(6, 7, "DescribeKey", "is a")], aliases)
    assert not linearizable(history((0, 1, "DeleteAlias", "ok")), aliases)
