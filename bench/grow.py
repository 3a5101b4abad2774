"""What a large store costs: Encrypt on stores of several sizes side by side, on one key and on keys all over the store."""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

import keystead.operations  # noqa: F401 - fills the catalogue
from bench import servers
from bench.load import Traffic
from bench.rounds import measure_rounds, print_table
from bench.servers import PLAINTEXT, Subject
from keystead.api.batch import Batch
from keystead.api.http.message import Channel, HttpRequest
from keystead.api.pipeline import Pipeline
from keystead.clock import SystemClock
from keystead.domain.audit import Kind, Record
from keystead.entropy import SystemEntropy, uuid4
from keystead.server.data.directory import DataDirectory
from keystead.server.data.opened_store import open_store
from keystead.server.data.world import OpenedStore

REGION = "cn-hangzhou"
AT_ONCE = 10_000  # rows in one commit
SAMPLE = 20_000  # more keys than the caches hold


class Size(NamedTuple):
    """A store: how many keys it has, how many audit records, and how many versions each key."""

    keys: int
    records: int
    versions: int = 1

    def __str__(self) -> str:
        several = f" of {self.versions} versions" if self.versions > 1 else ""
        return f"{self.keys:,} keys{several}, {self.records:,} records"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser("grow", help="what a large store costs", description=__doc__)
    parser.add_argument(
        "--sizes",
        type=lambda text: [_size(part) for part in text.split(",")],
        default=[Size(10, 0), Size(100_000, 0), Size(100_000, 1_000_000)],
        metavar="KEYS:RECORDS:VERSIONS,…",
        help="the stores (10:0,100000:0,100000:1000000)",
    )


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All stores served side by side, alternating rounds."""
    with ExitStack() as stack:
        subjects: list[Subject] = []
        served: list[tuple[Size, servers.Keystead]] = []
        for number, size in enumerate(args.sizes):
            data = folder / f"store-{number}"
            key_ids = build(data, size)
            server = stack.enter_context(servers.keystead(data))
            served.append((size, server))
            subjects.append(_subject(f"one key of {size}", server, key_ids[:1]))
            subjects.append(_subject(f"any key of {size}", server, key_ids))
        rounds = measure_rounds(subjects, args.connections, args.rounds, args.seconds, folder)
        listed = {str(size): _list_all(server) for size, server in served}
    print_table("Encrypt, TLS 1.3, keep-alive", rounds)
    for name, (pages, seconds) in listed.items():
        sys.stdout.write(f"\nListKeys through {name}: {pages:,} pages, {seconds / pages * 1e3:.2f} ms each\n")
    return {"grow": [one._asdict() for one in rounds], "listed": listed}


def _list_all(server: servers.Keystead) -> tuple[int, float]:
    """How many pages of 100 keys there are, each read once on one connection, and how long that takes."""
    seen, pages, total = 0, 0, 1
    since = time.perf_counter()
    with servers.Https(server.url) as client:
        while seen < total:
            pages += 1
            parameters = {"Action": "ListKeys", "PageSize": "100", "PageNumber": str(pages)}
            answer = client.send("POST", server.signer.target(parameters))
            seen += len(answer["Keys"]["Key"])
            total = answer["TotalCount"]
    return pages, time.perf_counter() - since


def build(data: Path, size: Size) -> list[str]:
    """A data directory of this size; the ids of at most SAMPLE of its keys, in random order."""
    directory = DataDirectory(data)
    directory.prepare()
    opened = open_store(directory, SystemClock(), SystemEntropy())
    try:
        first, record = _first(opened)
        chosen: list[str] = []
        for key_id in _add_keys(opened, first, size.keys - 1, size.versions):
            if len(chosen) < SAMPLE:
                chosen.append(key_id)
            elif (place := random.randrange(size.keys)) < SAMPLE:
                chosen[place] = key_id
        for count in _portions(size.records):
            opened.store.begin()
            batch = Batch(opened.store, opened.server_id)
            for _ in range(count):
                changes = {"chain": batch.chain, "sequence": batch.next, "revision": batch.revision}
                batch.append(msgspec.structs.replace(record, **changes))
            batch.write()
            opened.store.commit()
    finally:
        opened.store.close()
    random.shuffle(chosen)
    return [first, *chosen][:SAMPLE]


def _first(opened: OpenedStore) -> tuple[str, Record]:
    """A key made by CreateKey, and a record of Encrypt: what all others are copies of."""
    pipeline = Pipeline(
        store=opened.store,
        vault=opened.vault,
        clock=SystemClock(),
        entropy=SystemEntropy(),
        region=REGION,
        account=opened.account,
        server_id=opened.server_id,
    )

    opened.store.begin()
    batch = pipeline.open_batch()
    target = "/?Action=CreateKey&Version=2016-01-20&Format=JSON"
    answer = pipeline.answer_now(
        batch, HttpRequest(method="POST", target=target, headers={}, channel=Channel.CONTROL)
    )
    batch.write()
    opened.store.commit()
    key_id = str(json.loads(answer.response.body)["KeyMetadata"]["KeyId"])
    return key_id, Record(
        chain="",
        sequence=0,
        time=int(SystemClock().now() * 1000),
        kind=Kind.API_CALL,
        account=opened.account,
        region=REGION,
        product="Kms",
        version="2016-01-20",
        action="Encrypt",
        caller_type="root",
        principal=opened.account,
        access_key_id="LTAI" + "0" * 20,
        session="",
        source="127.0.0.1",
        host="localhost:8443",
        user_agent="bench",
        tls="TLSv1.3",
        resources=json.dumps([f"acs:kms:{REGION}:{opened.account}:key/{key_id}"]),
        parameters=json.dumps({"KeyId": key_id}),
        status=200,
        code="",
        request_id=uuid4(SystemEntropy()),
    )


def _add_keys(opened: OpenedStore, first: str, count: int, versions: int) -> Iterator[str]:
    """So many copies of a key, each with an id, versions and material of its own."""
    entropy = SystemEntropy()
    store = opened.store
    for portion in _portions(count):
        store.begin()
        key = store.keys.get(opened.account, REGION, first)
        assert key is not None
        version = store.keys.version(key.account, key.primary_version)
        assert version is not None
        for _ in range(portion):
            key_id, version_id = uuid4(entropy), uuid4(entropy)
            made = msgspec.structs.replace(version, key_id=key_id, version_id=version_id)
            store.keys.add(
                msgspec.structs.replace(key, key_id=key_id, primary_version=version_id),
                opened.vault.make_material(made),
                {},
            )
            for _ in range(versions - 1):
                made = opened.vault.make_material(made.next(uuid4(entropy), made.created))
                store.keys.add_version(made)
            if versions > 1:
                store.keys.put(msgspec.structs.replace(key, key_id=key_id, primary_version=made.version_id))
            yield key_id
        store.commit()


def _portions(count: int) -> Iterator[int]:
    done = 0
    while done < count:
        portion = min(AT_ONCE, count - done)
        yield portion
        done += portion
        sys.stderr.write(f"\rbuilding: {done:,} of {count:,}\x1b[K")
        sys.stderr.flush()


def _subject(name: str, server: servers.Keystead, key_ids: Sequence[str]) -> Subject:
    def traffic(count: int, close: bool) -> Traffic:
        parameters = {"Action": "Encrypt", "Plaintext": PLAINTEXT}
        return server.signer.traffic(parameters, count, keys=key_ids, close=close)

    return Subject(name, server.url, server.pid, traffic)


def _size(text: str) -> Size:
    return Size(*(int(part) for part in text.split(":")), *([0] if ":" not in text else []))
