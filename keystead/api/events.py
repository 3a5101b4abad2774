"""Records of what the service itself does: to keys, by a timer, from a seed, so that a call can be answered; to itself; and
of what it finds."""

from collections.abc import Mapping
from typing import Any

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
    arn = key_arn(key.account, key.region, key.key_id)
    record_service(
        batch,
        clock,
        entropy,
        key.account,
        action,
        parameters,
        product=KMS,
        region=key.region,
        resources=(arn,),
    )


def record_service(
    batch: Batch,
    clock: Clock,
    entropy: Entropy,
    account: str,
    action: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    product: Product = KEYSTEAD,
    region: str = "",
    resources: tuple[str, ...] = (),
    operator: str = "",
) -> None:
    """Record what the service itself did, or found; or what an operator of this name did to a service that is stopped."""
    made = service_record(batch.chain, batch.next, clock, entropy, account, action, parameters)
    caller = CallerType.OPERATOR if operator else CallerType.SERVICE
    batch.append(
        msgspec.structs.replace(
            made,
            kind=Kind.OPERATOR_COMMAND if operator else Kind.SERVICE_EVENT,
            region=region,
            product=product.name,
            version=product.version,
            caller_type=caller.value,
            principal=operator or made.principal,
            resources=msgspec.json.encode(resources).decode(),
            revision=batch.revision,
        )
    )


def service_record(
    chain: str,
    sequence: int,
    clock: Clock,
    entropy: Entropy,
    account: str,
    action: str,
    parameters: Mapping[str, Any] | None = None,
) -> Record:
    """The record of what the service itself did."""
    return Record(
        chain=chain,
        sequence=sequence,
        time=int(clock.now() * 1000),
        kind=Kind.SERVICE_EVENT,
        account=account,
        region="",
        product=KEYSTEAD.name,
        version=KEYSTEAD.version,
        action=action,
        caller_type=CallerType.SERVICE.value,
        principal="keystead",
        access_key_id="",
        session="",
        source="",
        host="",
        user_agent="",
        tls="",
        resources="[]",
        parameters=msgspec.json.encode(parameters or {}).decode(),
        status=200,
        code="",
        request_id=uuid4(entropy),
    )
