"""What the service does by itself, as calls in the same order as all others, each with its record."""

import msgspec

from keystead.access.callers import CallerType
from keystead.api.batch import Batch
from keystead.api.http.signature import WINDOW
from keystead.api.pipeline import Pipeline
from keystead.domain.arns import key_arn
from keystead.domain.audit import Kind, Record
from keystead.domain.keys.key import Key
from keystead.domain.products import KMS
from keystead.entropy import uuid4

_AT_ONCE = 100  # keys in one batch, so that a backlog does not hold up the calls of clients


def delete_due(pipeline: Pipeline, batch: Batch) -> bool:
    """Delete keys whose waiting period is over. True if there are more than one batch takes."""
    due = pipeline.store.keys.due(int(pipeline.clock.now()), _AT_ONCE)
    for key in due:
        pipeline.vault.forget(pipeline.store.keys.remove(key))
        record_event(pipeline, batch, key, "DeleteKey")
    return len(due) == _AT_ONCE


def expire_due(pipeline: Pipeline, batch: Batch) -> bool:
    """Delete imported material whose time is over. True as with `delete_due`."""
    keys = pipeline.store.keys
    due = keys.expiring(int(pipeline.clock.now()), _AT_ONCE)
    for key in due:
        version = keys.version(key.primary_version)
        assert version is not None
        keys.put_version(pipeline.vault.without_material(version))
        keys.put(key.without_material())
        record_event(pipeline, batch, key, "ExpireKeyMaterial")
    return len(due) == _AT_ONCE


def rotate_due(pipeline: Pipeline, batch: Batch) -> bool:
    """Give keys whose rotation is due a new version: one, however long it is due. True as with `delete_due`."""
    now = int(pipeline.clock.now())
    keys = pipeline.store.keys
    due = keys.rotating(now, _AT_ONCE)
    for key in due:
        primary = keys.version(key.primary_version)
        assert primary is not None
        version = pipeline.vault.make_material(primary.next(uuid4(pipeline.entropy), now))
        keys.add_version(version)
        keys.put(key.rotated_to(version))
        record_event(pipeline, batch, key, "RotateKey")
    return len(due) == _AT_ONCE


def record_event(pipeline: Pipeline, batch: Batch, key: Key, action: str) -> None:
    """Record what the service itself did to a key."""
    batch.append(
        Record(
            chain=batch.chain,
            sequence=batch.next,
            time=int(pipeline.clock.now() * 1000),
            kind=Kind.SERVICE_EVENT,
            account=key.account,
            region=key.region,
            product=KMS.name,
            version=KMS.version,
            action=action,
            caller_type=CallerType.SERVICE.value,
            principal="keystead",
            access_key_id="",
            session="",
            source="",
            host="",
            user_agent="",
            tls="",
            resources=msgspec.json.encode([key_arn(key.account, key.region, key.key_id)]).decode(),
            parameters="{}",
            status=200,
            code="",
            request_id=uuid4(pipeline.entropy),
        )
    )


def purge_nonces(pipeline: Pipeline, batch: Batch) -> bool:
    """Forget the nonces of requests that are too old to be accepted anyway."""
    pipeline.store.nonces.purge(int(pipeline.client_clock.now()) - WINDOW - 1)
    return False
