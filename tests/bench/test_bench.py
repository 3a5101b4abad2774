"""The benchmark's arithmetic, its signer, and one short run of it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest

from bench import load, results, users
from bench.process import family
from bench.results import Goal, Round
from bench.servers import PLAINTEXT
from keystead.access.documents import identity_document
from keystead.domain.identities import ATTACHED, GROUPS_OF_USER
from tests.harness import sign_v1
from tests.live import needs

pytestmark = pytest.mark.alone

ACCESS_KEY = ("LTAI0123456789", "secret")


def one(subject: str, connections: int, rate: float, p99: float = 1, cpu: float = 1) -> Round:
    return Round(subject, connections, rate, 1, p99, cpu, 1)


def test_a_row_is_the_median_of_each_figure_by_itself() -> None:
    rounds = [
        one("a", 8, 10, 3, 5),
        one("a", 8, 30, 1, 4),
        one("a", 8, 20, 2, 9),
        one("a", 1, 7),
        one("b", 8, 5),
    ]
    rows = {(row.subject, row.connections): row for row in results.medians(rounds)}
    assert rows["a", 8] == one("a", 8, 20, 2, 5)
    assert rows["a", 1].rate == 7
    assert rows["b", 8].rate == 5


def test_goals_are_ratios_of_the_same_number_of_connections() -> None:
    rows = [
        one(results.OURS, 1, 65),
        one(results.BAO, 1, 100),
        one(results.OURS, 32, 140, p99=3, cpu=6),
        one(results.BAO, 32, 100, p99=10, cpu=10),
        one(results.MOTO, 32, 7),
        one(results.OURS, 8, 1),
        one(results.BAO, 8, 1),
    ]
    found = {goal.name: goal for goal in results.goals(rows)}
    assert {name: goal.reached for name, goal in found.items()} == {
        "requests/s to OpenBao's, 1 connections": True,
        "requests/s to OpenBao's, 32 connections": False,
        "p99 to OpenBao's, 32 connections": True,
        "CPU to OpenBao's, 32 connections": False,
        "requests/s to moto's, 32 connections": True,
    }
    assert found["requests/s to OpenBao's, 32 connections"] == Goal(
        "requests/s to OpenBao's, 32 connections", 1.4, 1.5, True
    )
    assert "| 1.40 | ≥ 1.5 | missed |" in results.goals_table(list(found.values()))


def test_the_table_has_a_line_for_each_row() -> None:
    text = results.table([Round("a", 32, 5173.4, 5.034, 10.3, 191.6, 57.2)])
    assert text.splitlines()[2:] == ["| 32 | a | 5,173 | 5.03 | 10.30 | 192 | 57 |"]


def test_rounds_that_other_programs_disturbed_are_told() -> None:
    quiet, loud = one("a", 1, 1)._replace(others=0.4), one("a", 1, 1)._replace(others=0.6)
    assert results.disturbed([quiet, quiet]) == ""
    assert results.disturbed([quiet, loud]).startswith("In 1 of 2 rounds other programs")


@pytest.mark.parametrize("keys", [("",), ("k-1", "k-2")])
def test_requests_are_signed_each_with_a_nonce_of_its_own(keys: tuple[str, ...]) -> None:
    named = {"Action": "Encrypt", "Plaintext": PLAINTEXT} | ({} if keys[0] else {"KeyId": "k+/0"})
    traffic = load.Signer(ACCESS_KEY).traffic(named, 4, keys=keys)
    pieces = traffic.template.decode().split("\0")
    nonces = set()
    for number, line in enumerate(traffic.fields):
        key, nonce, signature = line.split(" ")
        assert key == keys[number % len(keys)]
        first = f"{pieces[0]}{key}{pieces[1]}{nonce}{pieces[2]}{signature}{pieces[3]}".split("\r\n")[0]
        sent = dict(parse_qsl(urlsplit(first.split(" ")[1]).query, strict_parsing=True))
        plain = {
            name: sent[name] for name in sent if not name.startswith("Signature") and name != "Timestamp"
        }
        assert sent == sign_v1(plain, ACCESS_KEY, timestamp=sent["Timestamp"], nonce=nonce)
        nonces.add(nonce)
    assert len(nonces) == 4


@pytest.mark.parametrize(
    "output",
    [
        "unable to connect",
        'RESULT {"requests": 9, "micros": 1, "p50": 1, "p99": 1, "refused": 1, "broken": 0}',
        'RESULT {"requests": 9, "micros": 1, "p50": 1, "p99": 1, "refused": 0, "broken": 2}',
        'RESULT {"requests": 0, "micros": 1, "p50": 1, "p99": 1, "refused": 0, "broken": 0}',
    ],
)
def test_a_round_with_a_request_that_was_not_answered_well_is_no_figure(output: str) -> None:
    with pytest.raises(load.LoadFailed):
        load.parse(output)


def test_the_figures_of_a_round() -> None:
    found = load.parse(
        'x\nRESULT {"requests": 9, "micros": 2000000, "p50": 1500, "p99": 2500, "refused": 0, "broken": 0}'
    )
    assert (found.rate, found.p50, found.p99) == (4.5, 1.5, 2.5)


def run(tmp_path: Path, *options: str) -> tuple[str, dict[str, list[dict[str, float]]]]:
    needs("wrk")
    needs("ab")
    output = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "--rounds", "1", "--seconds", "1", "--connections", "4"]
    done = subprocess.run(
        [*command, "--output", str(output), *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(output.read_text())


def test_a_short_run_beside_the_floor(tmp_path: Path) -> None:
    text, report = run(tmp_path, "--only", "floor,keystead encrypt")
    rounds = {str(one["subject"]): one for one in report["keep_alive"]}
    assert set(rounds) == {results.FLOOR, results.OURS, results.USER}
    assert rounds[results.USER]["rate"] > 0
    assert 0 < rounds["Keystead Encrypt"]["rate"] < rounds["floor"]["rate"]
    assert 0 < rounds["floor"]["cpu"] < rounds["Keystead Encrypt"]["cpu"]
    assert {str(one["subject"]) for one in report["new_connections"]} == {results.FLOOR, results.OURS}
    assert "| 4 | Keystead Encrypt |" in text


def test_a_user_has_as_many_statements_as_policies_can_give_it() -> None:
    made = [users.document(number) for number in range(users.POLICIES * (1 + users.GROUPS))]
    assert (users.POLICIES, users.GROUPS) == (ATTACHED, GROUPS_OF_USER)
    assert sum(len(identity_document(text)) for text in made) >= 1000
    rows = [
        one(results.OURS, 8, 100),
        one(results.USER, 8, 89),
        one(results.OURS, 32, 10),
        one(results.USER, 32, 9),
    ]
    assert [goal.reached for goal in results.goals(rows)] == [False, True]


def test_a_short_run_on_stores_of_two_sizes(tmp_path: Path) -> None:
    _, report = run(tmp_path, "grow", "--sizes", "2:0,30:40")
    subjects = [str(one["subject"]) for one in report["grow"]]
    assert subjects == [
        f"{which} key of {size}"
        for size in ("2 keys, 0 records", "30 keys, 40 records")
        for which in ("one", "any")
    ]
    assert all(one["rate"] > 0 for one in report["grow"])


def test_a_short_run_of_the_verifiers(tmp_path: Path) -> None:
    text, report = run(tmp_path, "proofs", "--records", "300")
    names = [str(name) for name in report["rates"]]
    assert len(names) == 4
    assert all(f"\n| {name} | " in text for name in names)


def test_a_short_run_against_another_keystead(tmp_path: Path) -> None:
    program = tmp_path / "keystead"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom keystead.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    text, report = run(tmp_path, "--rounds", "2", "--only", "keystead encrypt", "against", str(program))
    (found,) = report["against"]
    assert "| 4 | Keystead Encrypt |" in text
    before, after, ratios = (cast(list[Any], found[name]) for name in ("before", "after", "ratios"))
    assert ratios == [now["rate"] / then["rate"] for then, now in zip(before, after, strict=True)]
    assert len(ratios) == 2
    assert min(ratios) > 0.1


def test_without_another_keystead_there_is_nothing_to_compare(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "against", str(tmp_path / "keystead")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "there is no program" in done.stderr


def test_ctrl_c_stops_every_server() -> None:
    needs("wrk")
    command = [sys.executable, "-m", "bench", "--seconds", "5", "--only", "floor,keystead encrypt"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    try:
        # Before it starts wrk it signs all that wrk will send, which takes a slow machine its time.
        deadline = time.monotonic() + 120
        started: set[int] = set()
        while len(started) < 3 and time.monotonic() < deadline:  # Keystead, the floor and wrk
            time.sleep(0.05)
            started = set(family(process.pid)[1:])
        assert len(started) == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        for pid in started:
            while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not Path(f"/proc/{pid}").exists()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)
