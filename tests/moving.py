"""A store with something of everything, and moves of it between data directories and databases."""

import json
import shutil
from pathlib import Path

from keystead.api.http.message import HttpRequest
from keystead.api.pipeline import Answer, Pipeline
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.store_place import SharedPlace, place_of
from keystead.server.move import moving
from keystead.store.failures import Superseded
from tests.at_console import PASSWORD, user_session
from tests.harness import OnDisk, Service
from tests.ram import Ram

TEXT = "secret 对称"


class Movable(OnDisk):
    """A service whose store is in its directory or, where that says so, in a database."""

    shared: SharedPlace | None = None

    def start(self) -> None:
        self.directory.lock()
        self.world = open_store(self.directory, self.clock, self.entropy, shared=self.shared)
        self.store = self.world.store
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

    def answer(self, *requests: HttpRequest) -> list[Answer]:
        try:
            return super().answer(*requests)
        except Superseded:  # it is the database that knows of a request that was accepted elsewhere
            self.store.rollback()
            return super().answer(*requests)

    def signed(self, action: str, access_key: tuple[str, str], **parameters: str) -> HttpRequest:
        """A request of a client over the network."""
        return Service.request(self, action, parameters, access_key=access_key)

    def sent(self, request: HttpRequest) -> str:
        """The code of the answer; "" is none."""
        return str(json.loads(self.send(request).body).get("Code", ""))


class World:
    """What a store has, and how it has to be after any move."""

    def __init__(self, folder: Path) -> None:
        self.data = folder
        service = self.service = Movable(folder)
        self.keys = [service.key(Description=f"key {number}") for number in range(4)]
        self.blob = service.ok("Encrypt", KeyId=self.keys[0], Plaintext=TEXT)["CiphertextBlob"]
        service.ok("CreateAlias", AliasName="alias/a", KeyId=self.keys[0])
        service.ok("CreateAlias", AliasName="alias/gone", KeyId=self.keys[0])
        service.ok("DeleteAlias", AliasName="alias/gone")  # whose position nobody gets
        service.ok("TagResource", KeyId=self.keys[1], Tags='[{"TagKey": "owner", "TagValue": "b"}]')
        service.ok("DisableKey", KeyId=self.keys[2])
        service.ok("ScheduleKeyDeletion", KeyId=self.keys[3], PendingWindowInDays="7")
        service.ok("CreateKeyVersion", KeyId=self.keys[0])
        ram = Ram(service)
        allowed = {
            "Version": "1",
            "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}],
        }
        self.access_key = ram.user("alice", allowed)
        ram.ok("CreateGroup", GroupName="people")
        ram.ok("AddUserToGroup", UserName="alice", GroupName="people")
        ram.ok("CreateVirtualMFADevice", VirtualMFADeviceName="phone")
        self.session = user_session(service, "alice")
        self.replayed = service.signed("Encrypt", self.access_key, KeyId="alias/a", Plaintext="x")
        assert service.sent(self.replayed) == ""
        service.stop()

    def copied(self, to: Path) -> Path:
        """Its data directory again, for one test."""
        shutil.copytree(self.data, to)
        return to

    def move(self, source: Path | str, target: Path | str, **options: object) -> moving.Copied:
        """Move it from a place to another."""
        given = {"tell": lambda what, done, total: None, **options}
        return moving.copy_store(str(source), str(target), self.service.clock, self.service.entropy, **given)  # type: ignore[arg-type]

    def use(self, directory: Path, url: str = "", *, anew: bool = False) -> None:
        """Start a server, find that all is there, and change something; `anew`: it is another one than that which all was
        made with."""
        service = self.service
        service.directory, service.shared = DataDirectory(directory), place_of(url, "", {})
        service.clock.advance(1)
        service.start()
        try:
            assert service.ok("Decrypt", CiphertextBlob=self.blob)["Plaintext"] == TEXT
            assert service.ok("DescribeKey", KeyId="alias/a")["KeyMetadata"]["KeyId"] == self.keys[0]
            (tag,) = service.ok("ListResourceTags", KeyId=self.keys[1])["Tags"]["Tag"]
            assert tag["TagValue"] == "b"
            assert service.refused("Encrypt", KeyId=self.keys[2], Plaintext="x") == "Rejected.Disabled"
            leaving = service.ok("DescribeKey", KeyId=self.keys[3])["KeyMetadata"]["KeyState"]
            assert leaving == "PendingDeletion"
            again = service.sent(self.replayed)
            assert again == ("InvalidTimeStamp.Expired" if anew else "SignatureNonceUsed")
            signed = service.signed("Encrypt", self.access_key, KeyId="alias/a", Plaintext="x")
            assert service.sent(signed) == ""
            assert service.console("GetSession", self.session)[0] == (401 if anew else 200)
            assert service.console("CreateSession", UserName="alice", Password=PASSWORD)[0] == 200
            listed = service.ok("ListKeys", PageSize="100")
            made = service.key()
            after = service.ok("ListKeys", PageSize="100")
            assert [
                *listed["Keys"]["Key"],
                {"KeyId": made, "KeyArn": after["Keys"]["Key"][-1]["KeyArn"]},
            ] == (after["Keys"]["Key"])
            assert after["TotalCount"] == listed["TotalCount"] + 1
        finally:
            service.stop()
