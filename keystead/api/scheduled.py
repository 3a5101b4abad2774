"""What the service does by itself, as calls in the same order as all others, each with its record."""

from keystead.api.batch import Batch
from keystead.api.events import record_event
from keystead.api.http.signature import WINDOW
from keystead.api.pipeline import Pipeline
from keystead.entropy import uuid4

_AT_ONCE = 100  # keys in one batch, so that a backlog does not hold up the calls of clients


def delete_due(pipeline: Pipeline, batch: Batch) -> bool:
    """Delete keys whose waiting period is over. True if there are more than one batch takes."""
    due = pipeline.store.keys.due(int(pipeline.clock.now()), _AT_ONCE)
    for key in due:
        pipeline.vault.forget(pipeline.store.keys.remove(key))
        pipeline.store.tallies.forget(key.place)
        record_event(batch, pipeline.clock, pipeline.entropy, key, "DeleteKey")
    return len(due) == _AT_ONCE


def expire_due(pipeline: Pipeline, batch: Batch) -> bool:
    """Delete imported material whose time is over. True as with `delete_due`."""
    keys = pipeline.store.keys
    due = keys.expiring(int(pipeline.clock.now()), _AT_ONCE)
    for key in due:
        version = keys.version(key.account, key.primary_version)
        assert version is not None
        keys.put_version(pipeline.vault.without_material(version))
        keys.put(key.without_material())
        record_event(batch, pipeline.clock, pipeline.entropy, key, "ExpireKeyMaterial")
    return len(due) == _AT_ONCE


def rotate_due(pipeline: Pipeline, batch: Batch) -> bool:
    """Give keys whose rotation is due a new version: one, however long it is due. True as with `delete_due`."""
    now = int(pipeline.clock.now())
    keys = pipeline.store.keys
    due = keys.rotating(now, _AT_ONCE)
    for key in due:
        primary = keys.version(key.account, key.primary_version)
        assert primary is not None
        version = pipeline.vault.make_material(primary.next(uuid4(pipeline.entropy), now))
        keys.add_version(version)
        keys.put(key.rotated_to(version))
        record_event(batch, pipeline.clock, pipeline.entropy, key, "RotateKey")
    return len(due) == _AT_ONCE


def write_tallies(pipeline: Pipeline, batch: Batch) -> bool:
    """Write some of who used keys, and how many calls came. True as with `delete_due`."""
    if batch.writes_tallies:
        return False  # another job does
    return pipeline.tallies.write(pipeline.store, batch, int(pipeline.clock.now()))


def write_all_tallies(pipeline: Pipeline, batch: Batch) -> bool:
    """The same before the end, all at once."""
    if not batch.writes_tallies:
        pipeline.tallies.write(pipeline.store, batch, int(pipeline.clock.now()), 2**31)
    return False


def purge_access_keys(pipeline: Pipeline, batch: Batch) -> bool:
    """Remove temporary AccessKeys whose time is over; they are accepted no longer as it is."""
    for access_key in pipeline.store.accounts.expired_access_keys(int(pipeline.clock.now())):
        pipeline.store.accounts.remove_access_key(access_key.access_key_id)
        pipeline.vault.forget_secret(access_key.access_key_id)
    return False


def purge_sessions(pipeline: Pipeline, batch: Batch) -> bool:
    """Forget sessions, links and codes whose time is over; they are accepted no longer as it is."""
    pipeline.store.sessions.purge(int(pipeline.clock.now()))
    return False


def purge_nonces(pipeline: Pipeline, batch: Batch) -> bool:
    """Forget the nonces of requests that are too old to be accepted anyway."""
    pipeline.store.nonces.purge(int(pipeline.client_clock.now()) - WINDOW - 1)
    return False


def note_heads(pipeline: Pipeline, batch: Batch) -> bool:
    """Note where the chains of other servers end, if that is new."""
    pipeline.chains.note(batch)
    return False


def leave(pipeline: Pipeline, batch: Batch) -> bool:
    """The last record of this server's chain, if others share its store."""
    pipeline.chains.leave(batch)
    return False
