import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from keystead.api.batch import Batch
from keystead.api.http import signature
from keystead.api.http.message import Channel, HttpRequest, HttpResponse
from keystead.api.pipeline import Answer, Pipeline
from keystead.api.scheduled import purge_nonces
from keystead.domain.keys.key import KeySpec, KeyVersion
from keystead.domain.products import KEYSTEAD
from keystead.server.service import sequencer as module
from keystead.server.service.sequencer import Sequencer
from keystead.store.ports import StoreFailure, Superseded
from tests.harness import Service, base64_of, in_memory, version_of

Scenario = Callable[["Line"], Awaitable[None]]


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.commits: list[tuple[int, int]] = []
        self.failures: list[tuple[Exception, int]] = []
        self.lost: list[Exception] = []
        self.dropped: list[str] = []

    def answered(self, answer: Answer, seconds: float) -> None:
        assert seconds >= 0
        self.answers.append(answer)

    def committed(self, calls: int, records: int, seconds: float) -> None:
        assert seconds >= 0
        self.commits.append((calls, records))

    def store_failed(self, failure: Exception, calls: int) -> None:
        self.failures.append((failure, calls))

    def given_up(self, action: str) -> None:
        self.dropped.append(action)

    def reply_failed(self, error: Exception) -> None:
        self.lost.append(error)


class Line:
    """A sequencer over a service in memory, and what came out of it, in order."""

    def __init__(self, patience: float) -> None:
        self.service = Service()
        self.store = in_memory(self.service)
        self.notes = Notes()
        self.sequencer = Sequencer(self.service.pipeline, self.notes, asyncio.get_running_loop(), patience)
        self.replies: list[HttpResponse] = []

    def submit(self, request: HttpRequest | None = None) -> None:
        self.sequencer.submit(request or self.service.request("ListKeys"), self.replies.append)

    @property
    def statuses(self) -> list[int]:
        return [reply.status for reply in self.replies]


def play(scenario: Scenario, patience: float = 0.0) -> None:
    async def run() -> None:
        line = Line(patience)
        try:
            await asyncio.wait_for(scenario(line), 20)
        finally:
            line.sequencer.close()

    asyncio.run(run())


def fail_commits(line: Line, monkeypatch: pytest.MonkeyPatch, errors: Iterator[Exception | None]) -> None:
    commit = line.store.commit

    def maybe() -> None:
        error = next(errors)
        if error is not None:
            raise error
        commit()

    monkeypatch.setattr(line.store, "commit", maybe)


def test_calls_that_come_together_share_one_commit() -> None:
    async def scenario(line: Line) -> None:
        for _ in range(5):
            line.submit()
        assert line.replies == []
        await line.sequencer.drain()
        assert line.statuses == [200] * 5
        assert line.notes.commits == [(5, 5)]
        assert [answer.action for answer in line.notes.answers] == ["ListKeys"] * 5

    play(scenario)


def test_no_reply_leaves_before_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        loop_thread = threading.get_ident()
        begun, may_end = threading.Event(), threading.Event()
        commit = line.store.commit

        def slow() -> None:
            assert threading.get_ident() != loop_thread
            begun.set()
            assert may_end.wait(10)
            commit()

        monkeypatch.setattr(line.store, "commit", slow)
        line.submit()
        while not begun.is_set():
            await asyncio.sleep(0.001)
        line.submit()  # waits for the next batch: the store is busy
        await asyncio.sleep(0.02)
        assert line.replies == []
        may_end.set()
        await line.sequencer.drain()
        assert line.statuses == [200, 200]
        assert line.notes.commits == [(1, 1), (1, 1)]

    play(scenario)


def test_the_loop_waits_for_a_quick_commit_and_a_thread_for_a_slow_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(line: Line) -> None:
        here: list[bool] = []
        takes = 0.001
        commit, loop_thread = line.store.commit, threading.get_ident()

        def timed() -> None:
            here.append(threading.get_ident() == loop_thread)
            line.service.clock.advance(takes)
            commit()

        monkeypatch.setattr(line.store, "commit", timed)

        async def commits(count: int) -> list[bool]:
            here.clear()
            for _ in range(count):
                answered = len(line.replies)
                line.submit()
                assert len(line.replies) == answered
                await line.sequencer.drain()
            return list(here)

        assert await commits(50) == [True] * 50
        takes = 0.1  # one such commit makes the usual one slow
        assert await commits(3) == [True, False, False]
        takes = 0.001
        slow_still = await commits(100)
        assert slow_still == sorted(slow_still)  # for a while, and then no more
        assert (slow_still[0], slow_still[-1]) == (False, True)
        assert line.statuses == [200] * 153

    play(scenario, patience=0.002)


def test_a_commit_on_the_loop_that_fails_refuses_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        fail_commits(line, monkeypatch, iter([StoreFailure("disk full"), None]))
        line.submit()
        line.submit()
        await line.sequencer.drain()
        assert line.statuses == [503, 503]
        line.submit()
        await line.sequencer.drain()
        assert line.statuses == [503, 503, 200]

    play(scenario, patience=1.0)


def test_a_failing_commit_refuses_the_whole_batch_and_undoes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        failure = StoreFailure("disk full")
        fail_commits(line, monkeypatch, iter([failure, None, None]))
        line.submit(line.service.request("CreateKey"))
        line.submit(line.service.request("ListKeys", {"Format": "XML"}, host="kms.cn-hangzhou.aliyuncs.com"))
        await line.sequencer.drain()
        assert line.statuses == [503, 503]
        members = json.loads(line.replies[0].body)
        assert (members["Code"], members["HostId"]) == ("ServiceUnavailableTemporary", "localhost:8443")
        assert members["RequestId"]
        assert line.replies[1].content_type == "text/xml;charset=utf-8"
        assert b"<HostId>kms.cn-hangzhou.aliyuncs.com</HostId>" in line.replies[1].body
        assert line.notes.failures == [(failure, 2)]
        assert (line.notes.commits, line.service.records) == ([], [])
        line.submit(line.service.request("ListKeys"))
        await line.sequencer.drain()
        assert json.loads(line.replies[2].body)["TotalCount"] == 0

    play(scenario)


# --- another server comes first


def watch_begins(line: Line, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    begun: list[bool] = []
    begin = line.store.begin

    def noted(alone: bool = False) -> None:
        begun.append(alone)
        begin(alone)

    monkeypatch.setattr(line.store, "begin", noted)
    return begun


def test_a_batch_that_another_server_came_before_is_run_anew_and_the_third_time_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(line: Line) -> None:
        begun = watch_begins(line, monkeypatch)
        fail_commits(line, monkeypatch, iter([Superseded("first"), Superseded("second"), None]))
        jobs: list[int] = []

        def job(pipeline: Pipeline, batch: Batch) -> bool:
            jobs.append(batch.records)
            return False

        line.submit()
        line.submit(line.service.request("CreateKey"))
        line.sequencer.run(job)
        await line.sequencer.drain()
        assert begun == [False, False, True]
        assert line.statuses == [200, 200]
        assert jobs == [2, 2, 2]
        assert line.notes.commits == [(2, 2)]
        assert line.notes.failures == []
        line.store.begin()
        assert sum(line.store.keys.amounts().values()) == 1  # and not one for each time

    for patience in (0.0, 1.0):
        play(scenario, patience)
        monkeypatch.undo()


@pytest.mark.parametrize("patience", [0.0, 1.0])
def test_a_batch_is_not_run_anew_for_ever(monkeypatch: pytest.MonkeyPatch, patience: float) -> None:
    async def scenario(line: Line) -> None:
        begun = watch_begins(line, monkeypatch)
        times = module._TRIES + 1
        fail_commits(line, monkeypatch, iter([*(Superseded(str(number)) for number in range(times)), None]))
        line.submit()
        await line.sequencer.drain()
        assert (len(begun), line.statuses, len(line.notes.failures)) == (times, [503], 1)
        line.submit()
        await line.sequencer.drain()
        assert line.statuses == [503, 200]

    play(scenario, patience)


@pytest.mark.parametrize("fails", [1, module._TRIES + 1])
def test_a_batch_may_find_before_its_commit_that_another_server_came_first(
    monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    async def scenario(line: Line) -> None:
        begun = watch_begins(line, monkeypatch)
        add, times = line.store.keys.add, iter([*[Superseded("changed")] * fails, None])

        def late(*key: Any) -> None:
            if (error := next(times)) is not None:
                raise error
            add(*key)

        monkeypatch.setattr(line.store.keys, "add", late)
        line.submit(line.service.request("CreateKey"))
        line.submit()
        await line.sequencer.drain()
        if fails == 1:
            assert (begun, line.statuses, line.notes.failures) == ([False, False], [200, 200], [])
        else:
            assert (line.statuses, len(line.notes.failures)) == ([503, 503], 1)

    play(scenario)


def test_a_request_that_another_server_accepted_first_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        commit = line.store.commit

        def elsewhere() -> None:
            """The other server's nonce is known once the commit has met it."""
            nonces = list(line.store.nonces._added)
            line.store.rollback()
            line.store.begin()
            line.store.nonces.add(nonces)
            commit()
            monkeypatch.setattr(line.store, "commit", commit)
            raise Superseded("a nonce")

        monkeypatch.setattr(line.store, "commit", elsewhere)
        line.submit()
        await line.sequencer.drain()
        (reply,) = line.replies
        assert json.loads(reply.body)["Code"] == "SignatureNonceUsed"

    play(scenario)


def test_what_another_server_wrapped_anew_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        line.submit()
        await line.sequencer.drain()
        followed: list[int] = []
        vault = line.service.pipeline.vault
        monkeypatch.setattr(vault, "follow", lambda rows: followed.append(len(rows)))
        line.store.reloads += 1
        line.submit()
        line.submit()
        await line.sequencer.drain()
        line.submit()
        await line.sequencer.drain()
        assert followed == [1]

    play(scenario)


def test_a_nonce_of_a_failed_batch_may_be_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        fail_commits(line, monkeypatch, iter([StoreFailure("disk full"), None]))
        request = line.service.request("ListKeys")
        for _ in range(2):
            line.submit(request)
            await line.sequencer.drain()
        assert line.statuses == [503, 200]

    play(scenario)


@pytest.mark.parametrize("error", [StoreFailure("gone"), ZeroDivisionError()])
def test_a_batch_that_cannot_be_run_is_refused_and_the_next_one_served(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def scenario(line: Line) -> None:
        def broken(alone: bool = False) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(line.store, "begin", broken)
            line.submit()
            await line.sequencer.drain()
        assert line.statuses == [503]
        assert json.loads(line.replies[0].body)["RequestId"] == ""
        assert line.notes.failures == [(error, 1)]
        line.submit()
        await line.sequencer.drain()
        assert line.statuses == [503, 200]

    play(scenario)


def test_a_client_that_is_gone_costs_the_others_nothing() -> None:
    async def scenario(line: Line) -> None:
        gone = ConnectionResetError()

        def raising(response: HttpResponse) -> None:
            raise gone

        line.submit()
        line.sequencer.submit(line.service.request("ListKeys"), raising)
        line.submit()
        await line.sequencer.drain()
        assert line.statuses == [200, 200]
        assert line.notes.lost == [gone]

    play(scenario)


def test_what_nobody_signed_waits_for_no_disk_and_costs_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    async def scenario(line: Line) -> None:
        monkeypatch.setattr(line.sequencer._committer, "commit", never)
        monkeypatch.setattr(line.service.store, "rollback", never)
        line.submit(HttpRequest(method="POST", target="/?a=%", headers={}))
        line.submit(line.service.request("ListKeys", access_key=("LTAIx", "y")))
        await line.sequencer.drain()
        assert line.statuses == [400, 404]
        assert (line.notes.commits, line.notes.failures) == ([], [])

    play(scenario)


def test_a_full_queue_refuses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE", 3)

    async def scenario(line: Line) -> None:
        for _ in range(4):
            line.submit()
        assert line.statuses == [503]
        assert json.loads(line.replies[0].body)["HostId"] == "localhost:8443"
        await line.sequencer.drain()
        assert line.statuses == [503, 200, 200, 200]

    play(scenario)


def test_a_queue_of_long_requests_refuses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        requests = [line.service.request("ListKeys") for _ in range(6)]
        whole = sum(len(request.target) + len(request.body) for request in requests[:3])
        monkeypatch.setattr(module, "QUEUE_BYTES", whole)
        for request in requests[:4]:
            line.submit(request)
        assert line.statuses == [503]
        await line.sequencer.drain()
        line.submit(requests[4])  # whoever was answered makes room
        await line.sequencer.drain()
        assert line.statuses == [503, 200, 200, 200, 200]
        monkeypatch.setattr(module, "QUEUE_BYTES", len(requests[5].target) - 1)
        line.submit(requests[5])
        assert line.statuses[5:] == [503]

    play(scenario)


def test_a_long_queue_is_answered_in_batches_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)

    async def scenario(line: Line) -> None:
        for number in range(1, 6):
            line.submit(line.service.request("ListKeys", {"PageNumber": str(number)}))
        await line.sequencer.drain()
        assert [json.loads(reply.body)["PageNumber"] for reply in line.replies] == [1, 2, 3, 4, 5]
        assert line.notes.commits == [(2, 2), (2, 2), (1, 1)]

    play(scenario)


def test_a_job_runs_after_the_calls_before_it_and_again_if_it_asks() -> None:
    async def scenario(line: Line) -> None:
        seen: list[int] = []

        def job(pipeline: Pipeline, batch: Batch) -> bool:
            assert pipeline is line.service.pipeline
            seen.append(batch.records)
            return len(seen) < 3

        line.submit()
        line.sequencer.run(job)
        await line.sequencer.drain()
        assert seen == [1, 0, 0]
        assert line.notes.commits == [(1, 1), (0, 0), (0, 0)]

    play(scenario)


def test_a_job_that_asks_is_not_run_again_if_its_batch_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be run again and again, as fast as the loop turns, as long as the disk is full."""

    async def scenario(line: Line) -> None:
        seen: list[int] = []

        def job(pipeline: Pipeline, batch: Batch) -> bool:
            seen.append(1)
            return True

        fail_commits(line, monkeypatch, iter([None, StoreFailure("full")]))
        line.sequencer.run(job)
        await line.sequencer.drain()
        assert len(seen) == 2

    play(scenario)


def test_what_was_counted_is_told_to_the_pipeline_once_it_is_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        service = line.service
        key_id = service.key()
        place = (service.account, service.region, key_id)
        fail_commits(line, monkeypatch, iter([StoreFailure("full"), None]))
        for _ in range(2):
            line.submit(service.request("Encrypt", {"KeyId": key_id, "Plaintext": "x"}))
            await line.sequencer.drain()
        assert line.statuses == [503, 200]
        ((_, use),) = service.pipeline.tallies.uses(line.store, place)
        assert use.calls == 1

    play(scenario)


def test_a_failing_job_does_not_stop_the_service() -> None:
    async def scenario(line: Line) -> None:
        def job(pipeline: Pipeline, batch: Batch) -> bool:
            raise ZeroDivisionError

        line.sequencer.run(job)
        await line.sequencer.drain()
        line.submit()
        await line.sequencer.drain()
        assert line.statuses == [200]
        assert [calls for _, calls in line.notes.failures] == [0]

    play(scenario)


def test_drain_returns_at_once_when_nothing_waits() -> None:
    async def scenario(line: Line) -> None:
        await line.sequencer.drain()

    play(scenario)


def test_everybody_who_drains_is_told_and_one_who_gave_up_does_not_matter() -> None:
    async def scenario(line: Line) -> None:
        line.submit()
        waiting = [asyncio.ensure_future(line.sequencer.drain()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1:] == [None, None]
        assert line.statuses == [200]

    play(scenario)


def slow_request(line: Line) -> HttpRequest:
    return line.service.request("CreateKey", {"KeySpec": "EC_SM2"})


class Gate:
    """Holds the slow work of a service until it is let go."""

    def __init__(self, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        generate = line.service.pipeline.vault.generate

        def held(spec: KeySpec) -> bytes:
            self.begun.set()
            assert self.go.wait(20)
            return generate(spec)

        monkeypatch.setattr(line.service.pipeline.vault, "generate", held)

    async def reached(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.begun.wait, 20)


def test_others_are_answered_while_slow_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        gate = Gate(line, monkeypatch)
        line.submit(slow_request(line))
        await gate.reached()
        for _ in range(3):
            line.submit()
            while not line.replies or line.replies[-1].status != 200:
                await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert line.statuses == [200] * 3
        gate.go.set()
        await line.sequencer.drain()
        assert line.statuses == [200] * 4
        assert b"EC_SM2" in line.replies[-1].body
        actions = [record.action for record in line.service.records]
        assert actions == ["ListKeys"] * 3 + ["CreateKey"]

    play(scenario)


def test_a_nonce_is_held_between_the_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        gate = Gate(line, monkeypatch)
        request = slow_request(line)
        line.submit(request)
        await gate.reached()
        line.submit(request)
        while not line.replies:
            await asyncio.sleep(0)
        assert b"SignatureNonceUsed" in line.replies[0].body
        gate.go.set()
        await line.sequencer.drain()
        assert line.statuses == [400, 200]
        line.submit(request)
        await line.sequencer.drain()
        assert line.statuses == [400, 200, 400]
        assert line.service.ok("ListKeys")["TotalCount"] == 1

    play(scenario)


def test_a_nonce_that_another_server_takes_between_the_passes_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(line: Line) -> None:
        gate = Gate(line, monkeypatch)
        line.submit(slow_request(line))
        await gate.reached()
        seen = line.store.nonces.seen
        monkeypatch.setattr(line.store.nonces, "seen", lambda second, digest: True)
        gate.go.set()
        await line.sequencer.drain()
        monkeypatch.setattr(line.store.nonces, "seen", seen)
        (reply,) = line.replies
        assert json.loads(reply.body)["Code"] == "SignatureNonceUsed"

    play(scenario)


def test_a_call_that_waits_for_slow_work_is_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        gate = Gate(line, monkeypatch)
        line.submit(slow_request(line))
        await gate.reached()
        line.service.clock.advance(3600)
        line.sequencer.run(purge_nonces)
        gate.go.set()
        await line.sequencer.drain()
        assert line.statuses == [200]

    play(scenario)


def test_state_is_looked_at_anew_after_slow_work(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        key_id = line.service.key(KeySpec="EC_P256K", KeyUsage="SIGN/VERIFY")
        parameters = {
            **version_of(line.service, key_id),
            "Algorithm": "ECDSA_SHA_256",
            "Digest": base64_of(bytes(32)),
        }
        begun, go = threading.Event(), threading.Event()
        sign = line.service.pipeline.vault.sign

        def held(version: KeyVersion, algorithm: str, digest: bytes) -> bytes:
            begun.set()
            assert go.wait(20)
            return sign(version, algorithm, digest)

        monkeypatch.setattr(line.service.pipeline.vault, "sign", held)
        line.submit(line.service.request("AsymmetricSign", parameters))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 20)
        line.submit(line.service.request("DisableKey", {"KeyId": key_id}))
        while not line.replies:
            await asyncio.sleep(0)
        go.set()
        await line.sequencer.drain()
        assert line.statuses == [200, 409]
        assert b"Rejected.Disabled" in line.replies[1].body

    play(scenario)


@pytest.mark.parametrize("action", ["UpdateAccessKey", "DeleteAccessKey"])
def test_the_accesskey_is_looked_at_anew_after_slow_work(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(line: Line) -> None:
        verified: list[int] = []
        verify = signature.verify

        def counted(*all_of_it: Any) -> signature.Signed:
            verified.append(1)
            return verify(*all_of_it)

        monkeypatch.setattr(signature, "verify", counted)
        gate = Gate(line, monkeypatch)
        line.submit(slow_request(line))
        await gate.reached()
        asked = {"AccessKeyId": line.service.access_key[0], "Status": "Inactive"}
        target = f"/?{urlencode({'Action': action, 'Version': KEYSTEAD.version, **asked})}"
        line.submit(HttpRequest(method="POST", target=target, headers={}, channel=Channel.CONTROL))
        while not line.replies:
            await asyncio.sleep(0)
        gate.go.set()
        await line.sequencer.drain()
        assert line.statuses == [200, 403]
        assert b"Forbidden.AccessKey" in line.replies[1].body
        assert len(verified) == 1  # once for both passes

    play(scenario)


def test_two_calls_never_share_a_key_pair() -> None:
    async def scenario(line: Line) -> None:
        for _ in range(4):
            line.submit(line.service.request("CreateKey", {"KeySpec": "EC_SM2"}))
        await line.sequencer.drain()
        keys = [json.loads(reply.body)["KeyMetadata"]["KeyId"] for reply in line.replies]
        pems = {line.service.ok("GetPublicKey", **version_of(line.service, one))["PublicKey"] for one in keys}
        assert len(pems) == 4

    play(scenario)


def test_what_goes_wrong_in_the_pool_is_the_calls_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        def broken(spec: KeySpec) -> bytes:
            raise RuntimeError("planted")

        monkeypatch.setattr(line.service.pipeline.vault, "generate", broken)
        line.submit(slow_request(line))
        line.submit()
        await line.sequencer.drain()
        assert sorted(line.statuses) == [200, 500]
        assert [record.code for record in line.service.records] == ["", "InternalFailure"]

    play(scenario)


def test_a_commit_that_fails_after_slow_work_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        request = slow_request(line)
        fail_commits(line, monkeypatch, iter([None, StoreFailure("planted"), None, None, None]))
        line.submit(request)
        await line.sequencer.drain()
        assert line.statuses == [503]
        line.submit(request)  # its nonce was never used, and is held no more
        await line.sequencer.drain()
        assert line.statuses == [503, 200]

    play(scenario)


def test_calls_in_the_pool_count_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        gate = Gate(line, monkeypatch)
        monkeypatch.setattr(module, "QUEUE", 1)
        line.submit(slow_request(line))
        await gate.reached()
        line.submit()
        assert line.statuses == [503]
        gate.go.set()
        await line.sequencer.drain()
        assert line.statuses == [503, 200]

    play(scenario)


def test_who_signs_does_not_wait_for_who_makes_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        signer = version_of(line.service, line.service.key(KeySpec="RSA_2048", KeyUsage="SIGN/VERIFY"))
        gate = Gate(line, monkeypatch)
        for _ in range(3):
            line.submit(slow_request(line))
        signing = {"Digest": base64_of(bytes(32)), "Algorithm": "RSA_PKCS1_SHA_256"}
        line.submit(line.service.request("AsymmetricSign", {**signer, **signing}))
        while not line.replies:
            await asyncio.sleep(0.001)
        assert "Value" in json.loads(line.replies[0].body)
        gate.go.set()
        await line.sequencer.drain()
        assert line.statuses == [200] * 4

    play(scenario)


def test_slow_work_gives_way_to_the_quick_calls_of_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        signer = version_of(line.service, line.service.key(KeySpec="RSA_2048", KeyUsage="SIGN/VERIFY"))
        signing = {"Digest": base64_of(bytes(32)), "Algorithm": "RSA_PKCS1_SHA_256"}
        counts: list[int] = []
        monkeypatch.setattr(line.sequencer._pools, "give_way", counts.append)
        for _ in range(3):
            line.submit()
        line.submit(line.service.request("AsymmetricSign", {**signer, **signing}))
        line.submit(HttpRequest(method="POST", target="/?Action=ListKeys", headers={"host": "localhost"}))
        await line.sequencer.drain()
        assert sorted(line.statuses) == [200, 200, 200, 200, 400]
        # Neither the one that nobody signed nor, when it comes back, the slow one.
        assert counts == [3, 0]

    play(scenario)


def test_slow_work_that_has_not_begun_is_refused_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(line: Line) -> None:
        gate = Gate(line, monkeypatch)
        for _ in range(3):
            line.submit(slow_request(line))
        await gate.reached()
        line.sequencer.abandon()
        line.submit(slow_request(line))  # came too late
        gate.go.set()
        await line.sequencer.drain()
        assert sorted(line.statuses) == [200, 503, 503, 503]
        # A nonce that was not used is not held: the same request may be sent again.
        assert not line.service.pipeline._reserved

    play(scenario)


def test_what_nobody_waits_for_when_its_turn_comes_is_not_carried_out() -> None:
    async def scenario(line: Line) -> None:
        waits = [True, True, False, False]

        def command(action: str, awaited: Callable[[], bool]) -> HttpRequest:
            target = f"/?{urlencode({'Action': action, 'Version': KEYSTEAD.version})}"
            return HttpRequest(
                method="POST", target=target, headers={}, channel=Channel.CONTROL, awaited=awaited
            )

        for place, action in enumerate(["CreateAccessKey"] * 3 + ["canary"]):
            line.submit(command(action, lambda place=place: waits[place]))  # type: ignore[misc]
        waits[1] = False  # after it was queued
        line.submit()
        await line.sequencer.drain()
        assert sorted(line.statuses) == [200, 200, 503, 503, 503]
        assert line.notes.dropped == ["CreateAccessKey", "CreateAccessKey", ""]
        made = [record.action for record in line.service.records]
        assert made == ["CreateAccessKey", "ListKeys"]
        # All of a batch, and then the next one.
        line.submit(command("CreateAccessKey", lambda: False))
        await line.sequencer.drain()
        line.submit()
        await line.sequencer.drain()
        assert [record.action for record in line.service.records] == [*made, "ListKeys"]

    play(scenario)
