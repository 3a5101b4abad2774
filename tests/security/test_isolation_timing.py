"""How long it takes to say that there is nothing does not tell whether another account has it.

Answers about what another account has, and about what nobody has, are timed in turn, the first of each pair by chance. The
slowest tenth of both together is left out, where the machine was busy with something else (as dudect does); Welch's t of the
rest is below 4.5 if there is no difference to be seen.
"""

import gc
import json
import math
import os
import random
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keystead.api.http.receive import receive
from keystead.api.prepare import Prepared
from keystead.api.resolve import Resolver
from keystead.api.slow import Attempt
from keystead.domain.products import RAM
from tests.harness import Members, OnDisk, Service
from tests.security.test_isolation import document, of_nobody, statement

pytestmark = [pytest.mark.alone, pytest.mark.fuzz]

EVIDENCE = bool(os.environ.get("TEST_EVIDENCE"))
PAIRS, ROUNDS, NAMES = (
    (50_000, 10, 256) if EVIDENCE else (512, 2, 64)
)  # names: of each sort, anew in each round
IN_A_BATCH = 32
KEPT = 0.9
LIMIT = 4.5
PLANTED = 50_000  # nanoseconds

AccessKey = tuple[str, str]


class World(OnDisk):
    """Two accounts, of which one has keys; a user of the other may do everything there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Half of them are shared, but with somebody else.
        shared = document(statement("Allow", "1888888888888888", "*"))
        self.keys = [self.key(**({"Policy": shared} if number % 2 else {})) for number in range(NAMES)]
        self.aliases = [f"alias/{uuid.uuid4()}" for _ in self.keys]
        self.blobs = []
        for key_id, alias in zip(self.keys, self.aliases, strict=True):
            self.ok("CreateAlias", KeyId=key_id, AliasName=alias)
            blob = self.ok("Encrypt", KeyId=alias, Plaintext="x")["CiphertextBlob"]
            self.blobs.append(blob)
            self.ok("Decrypt", CiphertextBlob=blob)  # from now on the service knows them by heart
        _, made = self.operate("CreateAccount")
        root = made["AccessKey"]
        self.root = (root["AccessKeyId"], root["AccessKeySecret"])
        self._as_root("CreateUser", UserName="ann")
        attached = {"PolicyType": "System", "PolicyName": "AdministratorAccess", "UserName": "ann"}
        self._as_root("AttachPolicyToUser", **attached)
        user = self._as_root("CreateAccessKey", UserName="ann")["AccessKey"]
        self.callers = {"root": self.root, "user": (user["AccessKeyId"], user["AccessKeySecret"])}

    def _as_root(self, action: str, **parameters: str) -> Members:
        asked = {"Version": RAM.version, **parameters}
        response = self.send(Service.request(self, action, asked, access_key=self.root))
        members = json.loads(response.body)
        assert response.status == 200, members
        assert isinstance(members, dict)
        return members

    def arn(self, name: str) -> str:
        return f"acs:kms:{self.region}:{self.account}:{name}"

    def prepared(self, caller: str, action: str, parameters: dict[str, str]) -> Prepared:
        request = Service.request(self, action, parameters, access_key=self.callers[caller])
        return self.pipeline.prepare(receive(request))

    def times(self, theirs: list[Prepared], nobodys: list[Prepared], pairs: int) -> list[tuple[float, float]]:
        """How long the answers of each pair took, in nanoseconds. Nothing of them is kept."""
        found: list[tuple[float, float]] = []
        for _ in range(0, pairs, IN_A_BATCH):
            self.store.begin()
            batch = self.pipeline.open_batch()
            for number in random.sample(range(NAMES), IN_A_BATCH):
                both = [0, 0]
                for which in random.sample((0, 1), 2):
                    asked, attempt = (theirs, nobodys)[which][number], Attempt()
                    before = time.perf_counter_ns()
                    answer = self.pipeline.answer(batch, asked, attempt)
                    both[which] = time.perf_counter_ns() - before
                    assert answer.code in (
                        "Forbidden.KeyNotFound",
                        "Forbidden.AliasNotFound",
                        "InvalidParameter",
                    )
                found.append((both[0], both[1]))
            self.store.commit()
        return found


def welch(pairs: list[tuple[float, float]]) -> float:
    """Welch's t of the kept ones."""
    pooled = sorted(one for pair in pairs for one in pair)
    limit = pooled[int(KEPT * len(pooled)) - 1]
    theirs, nobodys = ([one for one in side if one <= limit] for side in zip(*pairs, strict=True))
    variance = sum(statistics.variance(side) / len(side) for side in (theirs, nobodys))
    return (statistics.fmean(theirs) - statistics.fmean(nobodys)) / math.sqrt(variance)


Named = Callable[[World, int], tuple[dict[str, str], dict[str, str]]]


def by_key(world: World, number: int) -> tuple[dict[str, str], dict[str, str]]:
    return {"KeyId": world.keys[number]}, {"KeyId": str(uuid.uuid4())}


def by_arn(world: World, number: int) -> tuple[dict[str, str], dict[str, str]]:
    return {"KeyId": world.arn(f"key/{world.keys[number]}")}, {"KeyId": world.arn(f"key/{uuid.uuid4()}")}


def by_alias(world: World, number: int) -> tuple[dict[str, str], dict[str, str]]:
    return {"KeyId": world.aliases[number]}, {"KeyId": f"alias/{uuid.uuid4()}"}


def by_alias_arn(world: World, number: int) -> tuple[dict[str, str], dict[str, str]]:
    return {"KeyId": world.arn(world.aliases[number])}, {"KeyId": world.arn(f"alias/{uuid.uuid4()}")}


def by_blob(world: World, number: int) -> tuple[dict[str, str], dict[str, str]]:
    blob = world.blobs[number]
    return {"CiphertextBlob": blob}, {"CiphertextBlob": of_nobody(blob, str(uuid.uuid4()))}


CASES: list[tuple[str, Named, str]] = [
    ("Encrypt", by_key, "user"),
    ("Encrypt", by_arn, "user"),
    ("Encrypt", by_arn, "root"),
    ("Encrypt", by_alias, "user"),
    ("Encrypt", by_alias_arn, "user"),
    ("DescribeKey", by_key, "user"),
    ("DescribeKey", by_arn, "user"),
    ("DescribeKey", by_alias_arn, "root"),
    ("Decrypt", by_blob, "user"),
    ("Decrypt", by_blob, "root"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("timing") / "data")
    gc.collect()
    gc.disable()
    yield made
    gc.enable()
    made.store.close()


def t_of(world: World, action: str, named: Named, caller: str) -> float:
    more = {"Plaintext": "x"} if action == "Encrypt" else {}
    pairs: list[tuple[float, float]] = []
    while len(pairs) < PAIRS:
        # Requests anew each time: where one happens to be in memory makes it a little quicker or slower than others.
        sides: tuple[list[Prepared], list[Prepared]] = ([], [])
        for number in range(NAMES):
            both = named(world, number)
            for which in random.sample((0, 1), 2):
                sides[which].append(world.prepared(caller, action, {**both[which], **more}))
        world.times(*sides, IN_A_BATCH)  # first times are longer
        pairs += world.times(*sides, PAIRS // ROUNDS)
    found = welch(pairs)
    medians = [round(statistics.median(side) / 1000, 2) for side in zip(*pairs, strict=True)]
    print(f"{action} {named.__name__} {caller}: {len(pairs)} pairs, medians {medians} µs, t {found:.2f}")
    return found


@pytest.mark.parametrize(
    ("action", "named", "caller"), CASES, ids=[f"{one[0]}-{one[1].__name__}-{one[2]}" for one in CASES]
)
def test_there_is_no_difference_in_time(world: World, action: str, named: Named, caller: str) -> None:
    assert abs(t_of(world, action, named, caller)) < LIMIT


@pytest.mark.parametrize(("action", "named"), [("Encrypt", by_arn), ("Decrypt", by_blob)])
def test_a_planted_difference_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, action: str, named: Named
) -> None:
    resolve = Resolver.resolve
    known = {*map(world.arn, (f"key/{key_id}" for key_id in world.keys)), *world.blobs}

    def slower(self: Resolver, operation: object, request: object) -> Resolver:
        key = getattr(request, "key_id", None)
        name = getattr(request, "ciphertext_blob", "") if key is None else world.arn(f"key/{key.key_id}")
        until = time.perf_counter_ns() + (PLANTED if name in known else 0)
        while time.perf_counter_ns() < until:
            pass
        return resolve(self, operation, request)  # type: ignore[arg-type]

    monkeypatch.setattr(Resolver, "resolve", slower)
    assert t_of(world, action, named, "user") >= LIMIT
