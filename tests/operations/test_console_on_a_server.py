"""What the console asks of a server that runs: looked up in threads, in what is committed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keystead.api.batch import Batch
from keystead.api.http.message import Channel, HttpResponse
from keystead.api.http.receive import Received
from keystead.api.pipeline import Pipeline
from keystead.clock import SystemClock
from keystead.domain import sessions
from keystead.domain.products import CONSOLE, KMS, Product
from keystead.domain.sessions import How, Session
from keystead.entropy import SystemEntropy
from keystead.server.app import Server
from keystead.settings import Settings
from keystead.store.lookup_tables import DatabaseLookups
from keystead.store.sqlite_snapshot import readings

TOKEN = "token"
Members = dict[str, Any]


def keep_session(pipeline: Pipeline, batch: Batch) -> bool:
    """A job of the sequencer: the owner has signed in."""
    now = int(pipeline.clock.now())
    pipeline.store.sessions.add(
        Session(
            digest=sessions.hashed(TOKEN),
            session_id="console-owner",
            account=pipeline.home.account,
            user_id="",
            created=now,
            used=now,
            confirmed=now,
            how=How.LINK,
            source="192.0.2.1",
        )
    )
    return False


async def call(server: Server, action: str, product: Product = CONSOLE, **parameters: str) -> Members:
    """The answer to a call of the owner."""
    answered: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
    asked = Received(
        channel=Channel.CONSOLE,
        source="192.0.2.1",
        tls="TLSv1.3",
        host="localhost",
        user_agent="tests",
        parameters=parameters,
        action=action,
        version=product.version,
        session=TOKEN,
    )
    server.service.sequencer.take(asked, answered.set_result)
    members: Members = json.loads((await asyncio.wait_for(answered, 60)).body)
    return members


def served(folder: Path, story: Callable[[Server], Any]) -> None:
    """Play a story with a server in this process."""

    async def main() -> None:
        settings = Settings(
            data=str(folder), listen="127.0.0.1:0", ops_listen="127.0.0.1:0", http=True, front_process="no"
        )
        server = Server(settings, SystemClock(), SystemEntropy())
        server.sources = {"listen": "--listen"}
        await server.start()
        try:
            server.service.sequencer.run(keep_session)
            await server.service.sequencer.drain()
            await story(server)
        finally:
            await server.stop()

    asyncio.run(main())


def test_a_look_up_sees_all_that_was_answered_before_it(tmp_path: Path) -> None:
    async def story(server: Server) -> None:
        for number in range(20):
            made = await call(server, "CreateKey", KMS, Description=f"number {number}")
            key_id = made["KeyMetadata"]["KeyId"]
            found = await call(server, "SearchKeys", PageSize="1")
            assert (found["Keys"]["Key"][0]["KeyId"], found["TotalCount"]) == (key_id, number + 1)
            (newest,) = (await call(server, "LookUpRecords", MaxItems="1", Operation="CreateKey"))["Records"][
                "Record"
            ]
            assert newest["RequestId"] == made["RequestId"]

    served(tmp_path / "data", story)


def test_many_ask_at_once(tmp_path: Path) -> None:
    async def story(server: Server) -> None:
        await call(server, "CreateKey", KMS)
        actions = (
            "SearchKeys",
            "SummarizeKeys",
            "LookUpRecords",
            "CountRecords",
            "VerifyRecords",
            "DescribeServer",
        )
        answers = await asyncio.gather(*(call(server, action) for action in actions * 10))
        assert [one.get("Code", "") for one in answers] == [""] * 60

    served(tmp_path / "data", story)


def test_what_can_not_be_read_is_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    async def story(server: Server) -> None:
        await call(server, "CreateKey", KMS)
        lookups = server.service.pipeline.store.lookups
        assert isinstance(lookups, DatabaseLookups)
        lookups._open = readings(tmp_path / "nowhere", server.clock)
        for action in ("SearchKeys", "LookUpRecords", "VerifyRecords"):
            assert (await call(server, action))["Code"] == "ServiceUnavailableTemporary"
        assert (await call(server, "ListKeys", KMS))["TotalCount"] == 1

    served(tmp_path / "data", story)


def test_the_server_describes_itself(tmp_path: Path) -> None:
    async def story(server: Server) -> None:
        told = await call(server, "DescribeServer")
        assert server.running is not None
        assert (told["Url"], told["OpsUrl"]) == (server.running.url, server.running.ops_url)
        assert told["UptimeSeconds"] < 600
        assert told["FrontProcess"] == "none"
        assert told["Problems"] == {"Problem": []}
        assert min(told["DatabaseBytes"], told["WalBytes"], told["FreeBytes"]) > 0
        assert told["CertificateExpireDate"] == told["AuthorityExpireDate"] == ""
        settings = {one["Name"]: (one["Value"], one["Source"]) for one in told["Settings"]["Setting"]}
        assert settings["listen"] == ('"127.0.0.1:0"', "--listen")
        assert settings["idle-seconds"] == ("75", "default")
        assert settings["name"] == ("[]", "default")

    served(tmp_path / "data", story)
