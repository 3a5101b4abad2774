"""What takes a right away binds before it is acknowledged: thousands of times, with calls under way at every moment.

One try: a call that must succeed; then calls that are sent before the revocation, beside it, and after its acknowledgement,
each on a connection of its own. The last must be refused; the others may end either way.
"""

import json
import os
import random
import socket
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from keystead.client.transport import send_control
from keystead.clock import iso8601
from keystead.domain.products import KEYSTEAD, KMS, RAM
from tests.harness import Members, sign_v1
from tests.live import LiveServer
from tests.ram import allow

pytestmark = [pytest.mark.alone, pytest.mark.fuzz]

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
BESIDE, AFTER = (1, 2, 3), (4, 5)  # the connections on which calls are sent; on 0 that before them
WORKERS = 4  # each revokes the rights of a user of its own
SECONDS = 60  # for one answer
AccessKey = tuple[str, str]
Step = tuple[str, str, dict[str, str]]  # version, action, parameters


class Connection:
    """A connection on which a call may be sent now and its answer read later."""

    def __init__(self, server: LiveServer) -> None:
        host, port = server.description["url"].partition("://")[2].rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, access_key: AccessKey, version: str, action: str, parameters: dict[str, str]) -> None:
        signed = sign_v1(
            {**parameters, "Action": action, "Version": version},
            access_key,
            timestamp=iso8601(time.time()),
            nonce=uuid.uuid4().hex,
        )
        head = f"POST /?{urlencode(signed)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        self._socket.sendall(head.encode())

    def receive(self) -> tuple[int, Members]:
        """Status and members of the answer to what was sent."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(fields["content-length"])
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(status.split(" ")[1]), json.loads(body)

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> None:
        found = self._socket.recv(1 << 16)
        assert found, "the server ended the connection"
        self._rest += found


class World:
    """A server, one of its accounts, and whoever owns that."""

    def __init__(self, server: LiveServer, name: str) -> None:
        self.server = server
        self.name = name
        made = self.operate("CreateAccount")
        self.account = made["Account"]["AccountId"]
        root = made["AccessKey"]
        self.root: AccessKey = (root["AccessKeyId"], root["AccessKeySecret"])
        self.connection = Connection(server)
        self.key = self.kms("CreateKey")["KeyMetadata"]
        self.blob = self.kms("Encrypt", KeyId=self.key["KeyId"], Plaintext="x")["CiphertextBlob"]

    def call(self, version: str, action: str, **parameters: str) -> Members:
        self.connection.send(self.root, version, action, parameters)
        status, members = self.connection.receive()
        assert status == 200, (action, members)
        return members

    def kms(self, action: str, **parameters: str) -> Members:
        return self.call(KMS.version, action, **parameters)

    def ram(self, action: str, **parameters: str) -> Members:
        return self.call(RAM.version, action, **parameters)

    def operate(self, action: str, **parameters: str) -> Members:
        """One of the operator's calls, through the control socket."""
        done = send_control(
            self.server.data / "control.sock", action, KEYSTEAD.version, parameters, "tests", "look at it"
        )
        assert done.status == 200, done
        return done.members

    def access_key(self) -> AccessKey:
        made = self.ram("CreateAccessKey", UserName="ann")["AccessKey"]
        return made["AccessKeyId"], made["AccessKeySecret"]

    def policy(self, name: str, document: dict[str, Any]) -> dict[str, str]:
        self.ram("CreatePolicy", PolicyName=name, PolicyDocument=json.dumps(document))
        return {"PolicyType": "Custom", "PolicyName": name}


class Subject:
    """Who uses a key, by what right, and how that is taken and given."""

    codes: tuple[str, ...] = ("Forbidden.NoPermission",)  # of the refusals once it was taken
    access_key: AccessKey

    def __init__(self, world: World) -> None:
        self.world = world
        world.ram("CreateUser", UserName="ann")
        self.access_key = world.access_key()
        self.use = world.policy("use", allow("kms:Encrypt", "kms:Decrypt"))
        self.group = {"GroupName": "team"}
        self.set_up()

    def set_up(self) -> None:
        self.give()

    @property
    def take(self) -> Step:
        """The call whose acknowledgement ends it."""
        raise NotImplementedError

    def give(self) -> None:
        raise NotImplementedError


class DetachPolicyFromUser(Subject):
    @property
    def take(self) -> Step:
        return RAM.version, "DetachPolicyFromUser", {**self.use, "UserName": "ann"}

    def give(self) -> None:
        self.world.ram("AttachPolicyToUser", **self.use, UserName="ann")


class UpdateAccessKey(Subject):
    codes = ("Forbidden.AccessKey",)

    def set_up(self) -> None:
        self.world.ram("AttachPolicyToUser", **self.use, UserName="ann")

    def _status(self, status: str) -> dict[str, str]:
        return {"UserName": "ann", "UserAccessKeyId": self.access_key[0], "Status": status}

    @property
    def take(self) -> Step:
        return RAM.version, "UpdateAccessKey", self._status("Inactive")

    def give(self) -> None:
        self.world.ram("UpdateAccessKey", **self._status("Active"))


class DeleteAccessKey(Subject):
    codes = ("InvalidAccessKeyId.NotFound",)

    def set_up(self) -> None:
        self.world.ram("AttachPolicyToUser", **self.use, UserName="ann")

    @property
    def take(self) -> Step:
        named = {"UserName": "ann", "UserAccessKeyId": self.access_key[0]}
        return RAM.version, "DeleteAccessKey", named

    def give(self) -> None:
        self.access_key = self.world.access_key()


class SetKeyPolicy(Subject):
    """The policy of the key names the user, in its own account."""

    def set_up(self) -> None:
        self.key_id = self.world.key["KeyId"]
        self._let_in()

    def _policy(self, *names: str) -> dict[str, str]:
        statement = {
            "Effect": "Allow",
            "Action": ["kms:Encrypt", "kms:Decrypt"],
            "Principal": {
                "RAM": [f"acs:ram::{self.world.account}:{name}" for name in ("user/nobody", *names)]
            },
            "Resource": ["*"],
        }
        return {"KeyId": self.key_id, "Policy": json.dumps({"Version": "1", "Statement": [statement]})}

    @property
    def take(self) -> Step:
        return KMS.version, "SetKeyPolicy", self._policy()

    def give(self) -> None:
        self._let_in()

    def _let_in(self) -> None:
        self.world.kms("SetKeyPolicy", **self._policy("user/ann"))


class DeleteUser(SetKeyPolicy):
    """With an AccessKey that goes with its user. One of the same name comes after it each time, whom the key's policy names."""

    codes = ("InvalidAccessKeyId.NotFound",)

    def set_up(self) -> None:
        super().set_up()
        self.world.ram("DeleteAccessKey", UserName="ann", UserAccessKeyId=self.access_key[0])
        self._temporary()

    def _temporary(self) -> None:
        asked = {"UserName": "ann", "AccountId": self.world.account}
        made = self.world.operate("CreateTemporaryAccessKey", **asked)["AccessKey"]
        self.access_key = made["AccessKeyId"], made["AccessKeySecret"]

    @property
    def take(self) -> Step:
        return RAM.version, "DeleteUser", {"UserName": "ann"}

    def give(self) -> None:
        self.world.ram("CreateUser", UserName="ann")
        self._temporary()


class RemoveUserFromGroup(Subject):
    def set_up(self) -> None:
        self.world.ram("CreateGroup", **self.group)
        self.world.ram("AttachPolicyToGroup", **self.use, **self.group)
        self.give()

    @property
    def take(self) -> Step:
        return RAM.version, "RemoveUserFromGroup", {"UserName": "ann", **self.group}

    def give(self) -> None:
        self.world.ram("AddUserToGroup", UserName="ann", **self.group)


class DetachPolicyFromGroup(Subject):
    def set_up(self) -> None:
        self.world.ram("CreateGroup", **self.group)
        self.world.ram("AddUserToGroup", UserName="ann", **self.group)
        self.give()

    @property
    def take(self) -> Step:
        return RAM.version, "DetachPolicyFromGroup", {**self.use, **self.group}

    def give(self) -> None:
        self.world.ram("AttachPolicyToGroup", **self.use, **self.group)


class SetDefaultPolicyVersion(Subject):
    def set_up(self) -> None:
        self.world.ram("AttachPolicyToUser", **self.use, UserName="ann")
        other = json.dumps(allow("kms:DescribeKey"))
        self.world.ram("CreatePolicyVersion", PolicyName="use", PolicyDocument=other)

    @property
    def take(self) -> Step:
        return RAM.version, "SetDefaultPolicyVersion", {"PolicyName": "use", "VersionId": "v2"}

    def give(self) -> None:
        self.world.ram("SetDefaultPolicyVersion", PolicyName="use", VersionId="v1")


class AttachDenial(Subject):
    """A policy that denies comes to one that allows."""

    def set_up(self) -> None:
        self.world.ram("AttachPolicyToUser", **self.use, UserName="ann")
        statement = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
        self.denial = self.world.policy("denial", {"Version": "1", "Statement": [statement]})

    @property
    def take(self) -> Step:
        return RAM.version, "AttachPolicyToUser", {**self.denial, "UserName": "ann"}

    def give(self) -> None:
        self.world.ram("DetachPolicyFromUser", **self.denial, UserName="ann")


class UntagResource(Subject):
    """The policy lets in to what has a tag."""

    def set_up(self) -> None:
        meets = {"StringEquals": {"kms:tag/team": "a"}}
        statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": meets}
        tagged = self.world.policy("tagged", {"Version": "1", "Statement": [statement]})
        self.world.ram("AttachPolicyToUser", **tagged, UserName="ann")
        self.give()

    @property
    def take(self) -> Step:
        return KMS.version, "UntagResource", {"KeyId": self.world.key["KeyId"], "TagKeys": '["team"]'}

    def give(self) -> None:
        tags = '[{"TagKey": "team", "TagValue": "a"}]'
        self.world.kms("TagResource", KeyId=self.world.key["KeyId"], Tags=tags)


class SetKeyPolicyOfAnother(SetKeyPolicy):
    """The key is another account's, whose policy names the user's account."""

    codes = ("Forbidden.KeyNotFound", "InvalidParameter")

    def set_up(self) -> None:
        self.key_id = self.world.key["KeyId"]
        self.world.key["KeyId"] = self.world.key["Arn"]  # as the user names it
        self.guest = World(self.world.server, f"{self.world.name} guest")
        self.guest.ram("CreateUser", UserName="ann")
        self.access_key = self.guest.access_key()
        use = self.guest.policy("use", allow("kms:Encrypt", "kms:Decrypt"))
        self.guest.ram("AttachPolicyToUser", **use, UserName="ann")
        self.give()

    def _policy(self, *names: str) -> dict[str, str]:
        found = super()._policy()
        if names:
            found["Policy"] = found["Policy"].replace(
                f"{self.world.account}:user/nobody", f"{self.guest.account}:root"
            )
        return found


class DisableAccount(Subject):
    codes = ("Forbidden.AccessKey",)

    def set_up(self) -> None:
        self.world.ram("AttachPolicyToUser", **self.use, UserName="ann")

    @property
    def take(self) -> Step:
        return KEYSTEAD.version, "UpdateAccount", {"AccountId": self.world.account, "Status": "Disabled"}

    def give(self) -> None:
        self.world.operate("UpdateAccount", AccountId=self.world.account, Status="Active")


LONG: tuple[type[Subject], ...] = (DetachPolicyFromUser, UpdateAccessKey, DeleteUser, SetKeyPolicy)
OTHERS: tuple[type[Subject], ...] = (
    DeleteAccessKey, RemoveUserFromGroup, DetachPolicyFromGroup, SetDefaultPolicyVersion, AttachDenial,
    UntagResource, SetKeyPolicyOfAnother, DisableAccount,
)  # fmt: skip
# In all, by kind of subject.
TRIES: dict[type[Subject], int] = {
    **dict.fromkeys(LONG, 10_000 if EVIDENCE else 100),
    **dict.fromkeys(OTHERS, 2_000 if EVIDENCE else 40),
}


class Found(NamedTuple):
    """How the calls ended: those that were sent before or beside the revocation, and the uses after it."""

    tries: int
    used: int
    refused: int
    wrong: list[str]


class Worker:
    """Tries with one user."""

    def __init__(self, server: LiveServer, kind: type[Subject], name: str) -> None:
        self.world = World(server, name)
        self.subject = kind(self.world)
        self.lines = [Connection(server) for _ in range(6)]
        self.used = self.refused = 0
        self.wrong: list[str] = []

    def close(self) -> None:
        for one in (self.world.connection, *self.lines):
            one.close()

    def run(self, tries: int) -> None:
        for number in range(tries):
            self._try()
            if number < tries - 1:
                self.subject.give()

    def _send(self, line: int) -> None:
        use = {"KeyId": self.world.key["KeyId"], "Plaintext": "x"}
        action = ("Encrypt", "Decrypt")[line % 2]
        if action == "Decrypt":
            use = {"CiphertextBlob": self.world.blob}
        self.lines[line].send(self.subject.access_key, KMS.version, action, use)

    def _try(self) -> None:
        subject, world = self.subject, self.world
        self._send(0)
        status, members = self.lines[0].receive()
        assert status == 200, members  # what was given again is good at once
        version, action, parameters = subject.take
        operators = version == KEYSTEAD.version
        before = len(BESIDE) if operators else random.randint(0, len(BESIDE))
        for line in BESIDE[:before]:
            self._send(line)
        if operators:
            world.operate(action, **parameters)
        else:
            world.connection.send(world.root, version, action, parameters)
            for line in BESIDE[before:]:
                self._send(line)
            status, members = world.connection.receive()
            assert status == 200, members
        for line in AFTER:
            self._send(line)
        for line in BESIDE:
            status, members = self.lines[line].receive()
            assert status == 200 or members["Code"] in subject.codes, members
            self.used += status == 200
            self.refused += status != 200
        for line in AFTER:
            status, members = self.lines[line].receive()
            if status == 200:
                self.wrong.append(f"{action}: {members['RequestId']}")
            else:
                assert members["Code"] in subject.codes, members


def run(server: LiveServer, kind: type[Subject], tries: int) -> Found:
    with ExitStack() as stack:
        workers = []
        for number in range(WORKERS):
            workers.append(Worker(server, kind, f"{kind.__name__} {number}"))
            stack.callback(workers[-1].close)
        failed: list[BaseException] = []

        def work(worker: Worker) -> None:
            try:
                worker.run(tries // WORKERS)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return Found(
            tries // WORKERS * WORKERS,
            sum(worker.used for worker in workers),
            sum(worker.refused for worker in workers),
            [one for worker in workers for one in worker.wrong],
        )


@contextmanager
def serving(data: Path, program: list[str] | None = None) -> Iterator[LiveServer]:
    server = LiveServer(data, "--http", program=program)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(tmp_path_factory.mktemp("revocation") / "data") as running:
        yield running


@pytest.mark.parametrize("kind", TRIES, ids=lambda kind: kind.__name__)
def test_nothing_is_used_after_the_acknowledgement(server: LiveServer, kind: type[Subject]) -> None:
    found = run(server, kind, TRIES[kind])
    print(
        f"{kind.__name__}: {found.tries} tries, of the calls under way {found.used} used it, {found.refused} did not"
    )
    assert found.wrong == []
    # They were under way while it was taken: some came before, which is the harness's own proof.
    assert found.used > 0


PLANTED = """
    import sys
    from keystead.api import principals
    from keystead.store import key_tables, tables

    def keeps(holder, method, cache, name, good=lambda known: True):
        # What was good once is not forgotten.
        original = getattr(holder, method)

        def changed(self, one):
            place = name(one)
            known = getattr(self, cache).get(place)
            found = original(self, one)
            if known is not None and good(known):
                getattr(self, cache)[place] = known
            return found

        setattr(holder, method, changed)

    planted = sys.argv.pop(1)
    if planted == "decisions":
        account_of = principals.Principals._account

        def remembered(self, account):
            # Whom it knows it never looks at again.
            found = self._accounts.get(account)
            return found if found is not None and found.policies else account_of(self, account)

        principals.Principals._account = remembered
    if planted == "inactive":
        keeps(
            tables.Accounts, "put_access_key", "_cache", lambda one: one.access_key_id, lambda one: one.status == "Active"
        )
    if planted == "deleted":
        keeps(tables.Accounts, "remove_access_key", "_cache", lambda one: one)
        # Its user would be looked for; a cached one is all that there is of it.
        from keystead.api.authorization import Authorizer
        from keystead.access.callers import Caller, CallerType
        caller_of = Authorizer.caller
        known = {}

        def caller(self, access_key):
            if access_key.access_key_id not in known:
                known[access_key.access_key_id] = caller_of(self, access_key)
            return known[access_key.access_key_id]

        Authorizer.caller = caller
    if planted == "key":
        keeps(key_tables.Keys, "put", "_keys", lambda key: key.place, lambda key: "user/ann" in key.policy)
    from keystead.cli import main
    sys.exit(main())
"""


@pytest.mark.parametrize(
    ("planted", "kind"),
    [
        ("decisions", DetachPolicyFromUser),
        ("decisions", RemoveUserFromGroup),
        ("inactive", UpdateAccessKey),
        ("deleted", DeleteUser),
        ("key", SetKeyPolicy),
    ],
)
def test_a_planted_memory_is_found(tmp_path: Path, planted: str, kind: type[Subject]) -> None:
    program = tmp_path / "planted.py"
    program.write_text(textwrap.dedent(PLANTED))
    with serving(tmp_path / "data", [sys.executable, str(program), planted]) as server:
        assert run(server, kind, 4 * WORKERS).wrong != []
