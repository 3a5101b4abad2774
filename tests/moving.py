"""A store with something of everything, and moves of it between a data directory and a database."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

from keystead.api.http.message import HttpRequest
from keystead.api.pipeline import Pipeline
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.store_place import place_of
from keystead.server.move import moving
from keystead.store.database import Database
from keystead.store.transfer.order import ALL
from tests.at_console import PASSWORD, user_session
from tests.harness import Members, OnDisk, Service
from tests.ram import Ram

TEXT = "secret 对称"


class Moved(OnDisk):
    """A service whose store may be in a database, once it was moved there."""

    url = ""

    def start(self) -> None:
        shared = place_of(self.url, "", {}) if self.url else None
        self.directory.lock()
        self.world = open_store(self.directory, self.clock, self.entropy, shared=shared)
        self.store = self.world.store  # type: ignore[assignment]
        self.account = self.world.account
        self.pipeline = Pipeline(
            store=self.store,
            vault=self.world.vault,
            clock=self.clock,
            entropy=self.entropy,
            region=self.region,
            account=self.account,
            server_id=self.world.server_id,
        )

    def stop(self) -> None:
        self.store.close()
        self.directory.unlock()

    def signed(self, action: str, access_key: tuple[str, str], **parameters: str) -> HttpRequest:
        """A request of a client over the network."""
        return Service.request(self, action, parameters, access_key=access_key)

    def sent(self, request: HttpRequest) -> str:
        """The code of the answer; "" is none."""
        return str(json.loads(self.send(request).body).get("Code", ""))


class World:
    """What there is, and what of it has to be so after any move."""

    def __init__(self, folder: Path) -> None:
        self.data = folder
        service = self.service = Moved(folder)
        self.keys = [service.key(Description=f"key {number}") for number in range(4)]
        self.blob = service.ok("Encrypt", KeyId=self.keys[0], Plaintext=TEXT)["CiphertextBlob"]
        service.ok("CreateAlias", AliasName="alias/a", KeyId=self.keys[0])
        service.ok(
            "TagResource", KeyId=self.keys[1], Tags=json.dumps([{"TagKey": "所有者", "TagValue": "a\ufdd0b"}])
        )
        service.ok("DisableKey", KeyId=self.keys[2])
        service.ok("ScheduleKeyDeletion", KeyId=self.keys[3], PendingWindowInDays="7")
        service.ok("CreateKeyVersion", KeyId=self.keys[0])
        ram = Ram(service)
        allowed = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
        self.access_key = ram.user("alice", allowed)
        ram.ok("CreateGroup", GroupName="people")
        ram.ok("AddUserToGroup", UserName="alice", GroupName="people")
        ram.ok("CreateVirtualMFADevice", VirtualMFADeviceName="phone")
        self.session = user_session(service, "alice")
        self.replayed = service.signed("Encrypt", self.access_key, KeyId="alias/a", Plaintext="x")
        assert service.sent(self.replayed) == ""
        service.stop()

    def is_all_there(self, directory: Path, url: str = "", *, anew: bool = False) -> Members:
        """Start a server on it; `anew`: it is another one, with nobody signed in. Gives what the record of its move says."""
        service = self.service
        service.directory, service.url = DataDirectory(directory), url
        service.clock.advance(5)
        service.start()
        try:
            assert service.ok("Decrypt", CiphertextBlob=self.blob)["Plaintext"] == TEXT
            assert service.ok("DescribeKey", KeyId="alias/a")["KeyMetadata"]["KeyId"] == self.keys[0]
            (tag,) = service.ok("ListResourceTags", KeyId=self.keys[1])["Tags"]["Tag"]
            assert tag["TagValue"] == "a\ufdd0b"
            assert service.refused("Encrypt", KeyId=self.keys[2], Plaintext="x") == "Rejected.Disabled"
            state = service.ok("DescribeKey", KeyId=self.keys[3])["KeyMetadata"]["KeyState"]
            assert state == "PendingDeletion"
            assert (
                service.ok("ListKeys", PageSize="100")["TotalCount"] == service.ok("ListKeys")["TotalCount"]
            )
            replayed = service.sent(self.replayed)
            assert replayed == ("InvalidTimeStamp.Expired" if anew else "SignatureNonceUsed")
            assert (
                service.sent(service.signed("Encrypt", self.access_key, KeyId="alias/a", Plaintext="x")) == ""
            )
            signed_in = service.console("GetSession", self.session)[0]
            assert signed_in == (401 if anew else 200), signed_in
            assert service.console("CreateSession", UserName="alice", Password=PASSWORD)[0] == 200
            service.ok(
                "CreateAlias",
                AliasName=f"alias/{len(service.ok('ListAliases')['Aliases']['Alias'])}",
                KeyId=self.keys[0],
            )
            self.keys.append(service.key())  # at a position that nobody has
            assert (
                service.ok("ListKeys", PageSize="100")["KeyIds" if False else "Keys"]["Key"][-1]["KeyId"]
                == self.keys[-1]
            )
        finally:
            service.stop()
        return {}


def copy(source: str | Path, target: str | Path, service: Service, **options: object) -> moving.Copied:
    """Move it."""
    return moving.copy_store(
        str(source),
        str(target),
        service.clock,
        service.entropy,
        tell=lambda what, done, total: None,
        **options,
    )
