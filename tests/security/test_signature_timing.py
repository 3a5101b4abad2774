"""How long a refusal takes does not tell how much of a signature is right.

A signature that is wrong in its first byte and one that is wrong in its last are timed in turn, the first of each pair by
chance. The slowest tenth of both together is left out, where the machine was busy with something else (as dudect does); Welch's
t of the rest is below 4.5 if there is no difference to be seen.

Which AccessKey ids exist is no secret: an unknown one has a code of its own, as with the vendor.
"""

import base64
import gc
import hmac
import math
import os
import random
import statistics
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode

import msgspec
import pytest

from keystead.api.http.message import HttpRequest
from keystead.api.http.receive import receive
from keystead.api.slow import Attempt
from keystead.clock import iso8601
from tests.harness import Service, sign_acs3

pytestmark = [pytest.mark.alone, pytest.mark.crash]

PAIRS = 100_000 if os.environ.get("TEST_EVIDENCE") else 3_000
TRIES = 3  # a machine that is busy in some other way all the time may see differences that there are not
SORTS = 64  # requests
KEPT = 0.9
LIMIT = 4.5
PLANTED = 5_000  # nanoseconds


def v1(service: Service) -> tuple[HttpRequest, bytes]:
    request = service.request("ListKeys")
    (signature,) = parse_qs(request.target[2:])["Signature"]
    return request, base64.b64decode(signature)


def acs3(service: Service) -> tuple[HttpRequest, bytes]:
    service._nonce += 1
    headers = {"host": "localhost", "x-acs-action": "ListKeys", "x-acs-version": "2016-01-20"}
    signed = sign_acs3(
        headers,
        service.access_key,
        query={},
        timestamp=iso8601(service.clock.now()),
        nonce=f"nonce-{service._nonce}",
    )
    signature = bytes.fromhex(signed["authorization"].rpartition("Signature=")[2])
    return HttpRequest(method="POST", target="/", headers=signed), signature


def signed_with(request: HttpRequest, signature: bytes) -> HttpRequest:
    """The request with another signature of the same length."""
    if "authorization" in request.headers:
        head = request.headers["authorization"].rpartition("Signature=")[0]
        headers = {**request.headers, "authorization": f"{head}Signature={signature.hex()}"}
        return msgspec.structs.replace(request, headers=headers)
    named = {name: values[0] for name, values in parse_qs(request.target[2:]).items()}
    named["Signature"] = base64.b64encode(signature).decode()
    return msgspec.structs.replace(request, target=f"/?{urlencode(named)}")


def flipped(signature: bytes, place: int) -> bytes:
    changed = bytearray(signature)
    changed[place] ^= 1
    return bytes(changed)


Scheme = Callable[[Service], tuple[HttpRequest, bytes]]


def t_of(scheme: Scheme, pairs: int) -> float:
    """Welch's t of requests that are refused for the last byte of their signature, and for the first."""
    service = Service()
    service.ok("ListKeys")  # from here on the secret is at hand
    right = [scheme(service) for _ in range(SORTS)]
    wrong = [
        {place: signed_with(request, flipped(signature, place)) for place in (0, -1)}
        for request, signature in right
    ]
    draw = random.Random(1)
    found: dict[int, list[int]] = {0: [], -1: []}  # by the place of the wrong byte
    bodies = set()
    service.store.begin()
    batch = service.pipeline.open_batch()
    gc.collect()
    gc.disable()
    try:
        for _ in range(pairs):
            number = draw.randrange(SORTS)
            for place in draw.sample((0, -1), 2):
                asked = receive(wrong[number][place])  # anew, for another place in memory
                before = time.perf_counter_ns()
                answer = service.pipeline.answer(batch, service.pipeline.prepare(asked), Attempt())
                found[place].append(time.perf_counter_ns() - before)
                bodies.add((number, answer.response.body.replace(answer.request_id.encode(), b"")))
    finally:
        gc.enable()
        service.store.rollback()
    assert len(bodies) == SORTS  # both are answered alike
    assert all(b"SignatureDoesNotMatch" in body for _, body in bodies)
    limit = sorted(found[0] + found[-1])[int(KEPT * 2 * pairs) - 1]
    first, last = ([one for one in side if one <= limit] for side in found.values())
    variance = sum(statistics.variance(side) / len(side) for side in (first, last))
    return (statistics.fmean(last) - statistics.fmean(first)) / math.sqrt(variance)


@pytest.mark.parametrize("scheme", [v1, acs3])
def test_a_signature_that_is_nearly_right_takes_no_longer(scheme: Scheme) -> None:
    found: list[float] = []
    while len(found) < TRIES and (not found or abs(found[-1]) >= LIMIT):
        found.append(t_of(scheme, PAIRS))
    print(f"\n{scheme.__name__}: t = {', '.join(f'{one:.2f}' for one in found)}")
    assert abs(found[-1]) < LIMIT


@pytest.mark.parametrize("scheme", [v1, acs3])
def test_a_comparison_that_ends_at_the_first_difference_is_found(
    scheme: Scheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = hmac.compare_digest

    def early(one: bytes, two: bytes) -> bool:
        if one[0] == two[0]:
            until = time.perf_counter_ns() + PLANTED
            while time.perf_counter_ns() < until:
                pass
        return compare(one, two)

    monkeypatch.setattr(hmac, "compare_digest", early)
    assert any(t_of(scheme, 3_000) > LIMIT for _ in range(TRIES))
