"""Records of what the service itself does: to keys, by a timer, from a seed, or so that a call is answered; to itself."""

import msgspec

from keystead.access.callers import CallerType
from keystead.api.batch import Batch
from keystead.clock import Clock
from keystead.domain.arns import key_arn
from keystead.domain.audit import Kind, Record
from keystead.domain.keys.key import Key
from keystead.domain.products import KEYSTEAD, KMS, Product
from keystead.entropy import Entropy, uuid4


def record_event(
    batch: Batch,
    clock: Clock,
    entropy: Entropy,
    key: Key,
    action: str,
    parameters: dict[str, str] | None = None,
) -> None:
    """Record what the service itself did to a key."""
    resources = [key_arn(key.account, key.region, key.key_id)]
    batch.append(
        _record(batch, clock, entropy, KMS, key.account, key.region, action, resources, parameters or {})
    )


def record_of_service(
    batch: Batch,
    clock: Clock,
    entropy: Entropy,
    account: str,
    region: str,
    action: str,
    parameters: dict[str, str],
) -> Record:
    """The record of what was done to the service as a whole: that it was backed up or restored."""
    return _record(batch, clock, entropy, KEYSTEAD, account, region, action, [], parameters)


def _record(
    batch: Batch,
    clock: Clock,
    entropy: Entropy,
    product: Product,
    account: str,
    region: str,
    action: str,
    resources: list[str],
    parameters: dict[str, str],
) -> Record:
    return Record(
        chain=batch.chain,
        sequence=batch.next,
        time=int(clock.now() * 1000),
        kind=Kind.SERVICE_EVENT,
        account=account,
        region=region,
        product=product.name,
        version=product.version,
        action=action,
        caller_type=CallerType.SERVICE.value,
        principal="keystead",
        access_key_id="",
        session="",
        source="",
        host="",
        user_agent="",
        tls="",
        resources=msgspec.json.encode(resources).decode(),
        parameters=msgspec.json.encode(parameters).decode(),
        status=200,
        code="",
        request_id=uuid4(entropy),
    )
