"""A service for tests, with a clock that stands still, and a signer of its own."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.http.message import Channel, HttpRequest, HttpResponse
from keystead.api.http.receive import Received
from keystead.api.pipeline import Answer, Pipeline
from keystead.api.slow import Attempt, Slow
from keystead.client.access_key import read_access_key
from keystead.clock import FixedClock, iso8601
from keystead.crypto import root_key
from keystead.crypto.vault import Vault
from keystead.domain.audit import Record
from keystead.domain.products import CONSOLE, KEYSTEAD, KMS, Product
from keystead.entropy import SeededEntropy
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.store_place import place_of
from keystead.server.data.world import EPHEMERAL_ACCOUNT, OpenedStore
from keystead.store.memory import MemoryStore
from keystead.store.ports import Store
from keystead.store.postgresql.place import Place
from tests.databases import new_world, records_of

Members = dict[str, Any]


def sign_v1(
    parameters: dict[str, str],
    access_key: tuple[str, str],
    *,
    method: str = "POST",
    timestamp: str,
    nonce: str,
) -> dict[str, str]:
    """All parameters of a request signed with RPC v1 HMAC-SHA1, written independently of the service's own code."""
    signed = {
        "Version": "2016-01-20",
        **parameters,
        "AccessKeyId": access_key[0],
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": nonce,
        "Timestamp": timestamp,
    }
    joined = "&".join(f"{quote(name, safe='~')}={quote(signed[name], safe='~')}" for name in sorted(signed))
    to_sign = f"{method}&%2F&{quote(joined, safe='~')}"
    digest = hmac.new(f"{access_key[1]}&".encode(), to_sign.encode(), hashlib.sha1).digest()
    return {**signed, "Signature": base64.b64encode(digest).decode()}


def sign_acs3(
    headers: dict[str, str],
    access_key: tuple[str, str],
    *,
    query: dict[str, str],
    timestamp: str,
    nonce: str,
    body: bytes = b"",
) -> dict[str, str]:
    """The headers of a POST signed with ACS3-HMAC-SHA256, independently of the service's own code."""
    hashed = hashlib.sha256(body).hexdigest()
    signed = {
        **headers,
        "x-acs-date": timestamp,
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": hashed,
    }
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    joined = "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query))
    canonical = f"POST\n/\n{joined}\n{lines}\n{names}\n{hashed}"
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    digest = hmac.new(access_key[1].encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={access_key[0]},SignedHeaders={names},Signature={digest}"
    return {**signed, "authorization": f"ACS3-HMAC-SHA256 {credential}"}


class Service:
    """The pipeline over a store, in memory unless TEST_STORE says otherwise."""

    before = 0
    """How many records there were before the first call: a server of a shared database records that it joined."""

    def __init__(
        self, *, now: float = 1_767_323_045.0, region: str = "cn-hangzhou", seed: bytes = b""
    ) -> None:
        self.clock = FixedClock(now)
        self.entropy = SeededEntropy(b"service" + seed)
        self.world: OpenedStore
        self.world, self.access_key = new_world(self, self.clock, self.entropy)
        self.store: Store = self.world.store
        self.account = EPHEMERAL_ACCOUNT
        self.region = region
        self.pipeline = Pipeline(
            store=self.store,
            vault=self.world.vault,
            clock=self.clock,
            entropy=self.entropy,
            region=region,
            account=self.account,
            server_id=self.world.server_id,
        )
        self._nonce = 0
        self.answer()
        self.before = len(records_of(self.store))

    def request(
        self,
        action: str,
        parameters: dict[str, str] | None = None,
        *,
        host: str = "localhost:8443",
        access_key: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> HttpRequest:
        """A signed request with a nonce of its own."""
        self._nonce += 1
        signed = sign_v1(
            {"Action": action, **(parameters or {})},
            access_key or self.access_key,
            timestamp=iso8601(self.clock.now()),
            nonce=f"nonce-{self._nonce}",
        )
        return HttpRequest(
            method="POST",
            target=f"/?{urlencode(signed)}",
            headers={"host": host, "user-agent": "tests", **(headers or {})},
            source="127.0.0.1",
            tls="TLSv1.3",
        )

    def answer(self, *requests: HttpRequest) -> list[Answer]:
        """Run requests in one batch and commit it."""
        self.store.begin()
        batch = self.pipeline.open_batch()
        answers = [self.pipeline.answer_now(batch, request) for request in requests]
        batch.write()
        self.store.commit()
        self.pipeline.committed(batch)
        return answers

    def send(self, request: HttpRequest) -> HttpResponse:
        return self.answer(request)[0].response

    def call(self, action: str, host: str = "localhost:8443", **parameters: str) -> tuple[int, Members]:
        """Status and members of the answer."""
        response = self.send(self.request(action, parameters, host=host))
        return response.status, json.loads(response.body)

    def ok(self, action: str, host: str = "localhost:8443", **parameters: str) -> Members:
        """The members of an answer that must be a success."""
        status, members = self.call(action, host, **parameters)
        assert status == 200, members
        return members

    def refused(self, action: str, host: str = "localhost:8443", **parameters: str) -> str:
        """The code of an answer that must be a refusal."""
        status, members = self.call(action, host, **parameters)
        assert status == members["HttpStatus"] >= 400
        return str(members["Code"])

    def operate(self, action: str, **parameters: str) -> tuple[int, Members]:
        """Call one of our own operations, as through the control socket."""
        body = urlencode({"Action": action, "Version": KEYSTEAD.version, **parameters}).encode()
        request = HttpRequest(
            method="POST",
            target="/",
            headers={"host": "localhost", "content-type": "application/x-www-form-urlencoded"},
            body=body,
            channel=Channel.CONTROL,
        )
        response = self.send(request)
        return response.status, json.loads(response.body)

    def console(
        self,
        action: str,
        session: str = "",
        product: Product = CONSOLE,
        source: str = "192.0.2.1",
        **parameters: str,
    ) -> tuple[int, Members]:
        """Call by the console: with the token of a session, or to sign in."""
        response = self.take(self.received(action, session, product, source, **parameters)).response
        return response.status, json.loads(response.body)

    def received(
        self,
        action: str,
        session: str = "",
        product: Product = CONSOLE,
        source: str = "192.0.2.1",
        **parameters: str,
    ) -> Received:
        """What the console hands on."""
        return Received(
            channel=Channel.CONSOLE,
            source=source,
            tls="TLSv1.3",
            host="localhost:8443",
            user_agent="tests",
            parameters=parameters,
            action=action,
            version=product.version,
            session=session,
        )

    def take(self, received: Received) -> Answer:
        """Run one request that was read already, in a batch of its own."""
        attempt, prepared = Attempt(), self.pipeline.prepare(received)
        while True:
            self.store.begin()
            batch = self.pipeline.open_batch()
            try:
                answer = self.pipeline.answer(batch, prepared, attempt)
            except Slow as slow:
                attempt.remember(slow, slow.run())
            else:
                return answer
            finally:
                batch.write()
                self.store.commit()
                self.pipeline.committed(batch)

    def owner(self) -> str:
        """The token of a new session of the account's owner."""
        token = str(self.operate("CreateSignInLink")[1]["Token"])
        status, members = self.console("RedeemSignInLink", Token=token)
        assert status == 200, members
        return str(members["SessionToken"])

    @contextmanager
    def batch(self) -> Iterator[Store]:
        """The store, to write to it what no operation does."""
        self.store.begin()
        yield self.store
        self.store.commit()

    def key(self, **parameters: str) -> str:
        """A new key's id."""
        return str(self.ok("CreateKey", **parameters)["KeyMetadata"]["KeyId"])

    @property
    def records(self) -> list[Record]:
        return records_of(self.store)[self.before :]


class OnDisk(Service):
    """A service that can be stopped and started again: over SQLite, or over the PostgreSQL database of an URL."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.clock = FixedClock(1_767_323_045.0)
        self.entropy = SeededEntropy(b"life")
        self.directory = DataDirectory(str(folder))
        self.directory.prepare()
        self.shared = place_of(url, "", {})
        self.region = "cn-hangzhou"
        self._nonce = 0
        self.start()

    @property
    def place(self) -> Path | Place:
        """Where its data is."""
        return self.shared.place if self.shared else self.directory.database

    def request(self, action: str, parameters: Members | None = None, **more: Any) -> HttpRequest:
        """As through the control socket: signatures, a third of the time of a call, have tests of their own."""
        asked = urlencode({"Action": action, "Version": KMS.version, **(parameters or {})})
        return HttpRequest(method="POST", target=f"/?{asked}", headers={}, channel=Channel.CONTROL)

    def start(self) -> None:
        self.world = open_store(self.directory, self.clock, self.entropy, shared=self.shared)
        self.store = self.world.store
        self.account = self.world.account
        self.access_key = read_access_key(self.directory.root_access_key)
        self.pipeline = Pipeline(
            store=self.store,
            vault=self.world.vault,
            clock=self.clock,
            entropy=self.entropy,
            region=self.region,
            account=self.account,
            server_id=self.world.server_id,
        )


def in_memory(service: Service) -> MemoryStore:
    """The store of a service, for a test that looks into the one in memory."""
    assert isinstance(service.store, MemoryStore), "this test is for TEST_STORE=memory"
    return service.store


def vault(seed: bytes = b"vault") -> Vault:
    """A vault with one wrapping key."""
    entropy = SeededEntropy(seed)
    made = Vault(root_key.ephemeral(entropy), entropy)
    made.make_wrapping_key(0)
    return made


def base64_of(data: bytes) -> str:
    """Base64 as the wire has it."""
    return base64.b64encode(data).decode()


def version_of(service: Service, key_id: str) -> Members:
    """KeyId and KeyVersionId of a key's latest version."""
    versions = service.ok("ListKeyVersions", KeyId=key_id, PageSize="100")["KeyVersions"]["KeyVersion"]
    return {"KeyId": key_id, "KeyVersionId": versions[0]["KeyVersionId"]}
