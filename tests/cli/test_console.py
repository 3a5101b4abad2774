"""`keystead console`: the owner's link and code, by the server that runs, and by none."""

import json
import re
import sqlite3
from pathlib import Path

from keystead.cli.commands.audit import _actiontrail
from keystead.domain.sessions import confirmation_code, hashed, short_code
from tests.harness import Service
from tests.live import LiveServer, keystead, live


def rows(data: Path) -> list[tuple[bytes, str, str]]:
    connection = sqlite3.connect(f"file:{data / 'keystead.db'}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT digest, account, kind FROM tickets").fetchall()
    finally:
        connection.close()


def test_the_link_is_all_that_is_printed_and_its_code_is_told_beside(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        told = keystead("console", "login", "--data", str(server.data))
        assert told.returncode == 0, told.stderr
        url = server.description["url"]
        found = re.fullmatch(rf"{re.escape(url)}/console/link/([A-Za-z0-9_-]{{43}})\n", told.stdout)
        assert found is not None, told.stdout
        assert told.stderr == f"the page shows the same code: {short_code(found[1])}\n"
        ((digest, account, kind),) = rows(server.data)
        assert (digest, account, kind) == (hashed(found[1]), server.description["account"], "link")


def test_a_code_is_printed_alone(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        told = keystead("console", "code", "--data", str(server.data))
        assert (told.returncode, told.stderr) == (0, "")
        assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}\n", told.stdout)
        assert len(told.stdout.strip()) == len(confirmation_code(bytes(5)))
        ((digest, account, kind),) = rows(server.data)
        assert (digest, kind) == (hashed(account, told.stdout.strip()), "code")


def test_of_another_account_and_of_one_that_has_none(tmp_path: Path) -> None:
    with live(tmp_path / "data") as server:
        data = ("--data", str(server.data))
        made = keystead("account", "create", *data)
        account = json.loads(made.stdout)["Account"]["AccountId"]
        assert keystead("console", "login", "--account", account, *data).returncode == 0
        assert rows(server.data)[0][1] == account
        keystead("account", "disable", account, *data)
        disabled = keystead("console", "login", "--account", account, *data)
        assert disabled.returncode == 4
        assert "hint: the account is disabled; keystead account enable lets it go on" in disabled.stderr
        unknown = keystead("console", "code", "--account", "9" * 16, *data)
        assert "EntityNotExist.Account" in unknown.stderr
        assert "hint: keystead account list shows all" in unknown.stderr
        wrong = keystead("console", "login", "--account", "x", *data)
        assert (wrong.returncode, wrong.stdout) == (2, "")


def test_without_a_server_there_is_no_console(tmp_path: Path) -> None:
    for verb in ("login", "code"):
        nothing = keystead("console", verb, "--data", str(tmp_path / "nothing"))
        assert nothing.returncode != 0
        assert "there is no data in" in nothing.stderr
    server = LiveServer(tmp_path / "data")
    server.start()
    server.stop()
    for verb in ("login", "code"):
        stopped = keystead("console", verb, "--data", str(server.data))
        assert stopped.returncode != 0
        assert (stopped.stdout, stopped.stderr.splitlines()) == (
            "",
            [
                f"error: no server runs on {server.data}",
                "hint: keystead serve starts one; --data names another directory",
            ],
        )
    assert rows(server.data) == []


def test_its_records_are_events_of_the_console_for_actiontrail() -> None:
    service = Service()
    session = service.owner()
    assert service.console("SummarizeKeys", session)[0] == 200
    assert service.console("DeleteSession", session)[0] == 200
    service.key()
    found = {str(event["eventName"]): event for event in map(_actiontrail, service.records)}
    assert {name: event["eventType"] for name, event in found.items()} == {
        "CreateSignInLink": "ApiCall",
        "RedeemSignInLink": "ConsoleSignin",
        "SummarizeKeys": "ConsoleOperation",
        "DeleteSession": "ConsoleSignout",
        "CreateKey": "ApiCall",
    }
    assert (found["SummarizeKeys"]["eventRW"], found["CreateKey"]["eventRW"]) == ("Read", "Write")


def test_a_server_without_pages_gives_no_link_to_them(tmp_path: Path) -> None:
    with live(tmp_path / "data", "--console", "no") as server:
        for verb in ("login", "code"):
            told = keystead("console", verb, "--data", str(server.data))
            assert (told.returncode, told.stdout) == (1, "")
            assert "has no console\nhint: it runs with console" in told.stderr
    assert rows(server.data) == []
