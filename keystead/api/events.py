"""Records of what the service itself does: to keys, by a timer, from a seed, so that a call can be answered; to itself; and
of what it finds."""

from collections.abc import Mapping

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
    parameters: Mapping[str, object] | None = None,
    *,
    product: Product = KEYSTEAD,
    region: str = "",
    resources: tuple[str, ...] = (),
    operator: str = "",
) -> None:
    """Record what the service itself did, or found; or what an operator of this name did to a service that is stopped."""
    caller = CallerType.OPERATOR if operator else CallerType.SERVICE
    batch.append(
        Record(
            chain=batch.chain,
            sequence=batch.next,
            time=int(clock.now() * 1000),
            kind=Kind.OPERATOR_COMMAND if operator else Kind.SERVICE_EVENT,
            account=account,
            region=region,
            product=product.name,
            version=product.version,
            action=action,
            caller_type=caller.value,
            principal=operator or "keystead",
            access_key_id="",
            session="",
            source="",
            host="",
            user_agent="",
            tls="",
            resources=msgspec.json.encode(resources).decode(),
            parameters=msgspec.json.encode(parameters or {}).decode(),
            status=200,
            code="",
            request_id=uuid4(entropy),
            revision=batch.revision,
        )
    )
