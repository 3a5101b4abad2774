"""From one generation of the wrapping key to the next: what older ones wrapped is wrapped anew, and they are destroyed."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from keystead.api.batch import Batch
from keystead.api.events import record_service
from keystead.api.pipeline import Pipeline
from keystead.crypto.authority import rewrap_authority
from keystead.domain.accounts import AccessKey, WrappingKey
from keystead.domain.keys.key import KeyVersion
from keystead.domain.sign_in import MfaDevice
from keystead.errors import StoredRowAltered

DESTROYED = "DestroyWrappingKeys"
T = TypeVar("T")


class Rewrapping:
    """A job of the service that is run again and again, a few rows at a time; between batches it may be cut off anywhere."""

    def __init__(self, at_once: int) -> None:
        """`at_once`: rows in one batch."""
        self._at_once = at_once
        self._seen: tuple[WrappingKey, ...] = ()
        self._batch: Batch | None = None
        self._walks: tuple[_Walk[Any], ...] = ()
        self._halted = False

    @property
    def busy(self) -> bool:
        """Whether there is something to wrap anew."""
        return len(self._seen) > 1 and not self._halted

    def __call__(self, pipeline: Pipeline, batch: Batch) -> bool:
        """One batch of it. Always False: whoever runs it says when it goes on.

        A row that was altered is not wrapped anew, so that the generation before must stay: it ends there.
        """
        if batch is not self._batch and not self._halted:
            try:
                self._go_on(pipeline, batch)
            except StoredRowAltered:
                self._halted = True
        return False

    def _go_on(self, pipeline: Pipeline, batch: Batch) -> None:
        store, vault = pipeline.store, pipeline.vault
        self._batch, rows = batch, store.keyring.all()
        # What an earlier batch has shown as well is committed: the vault must never use a generation that was undone, nor
        # lack one that is there still.
        if rows != self._seen:
            self._seen = rows
            self._walks = (_Walk(_VERSION), _Walk(_ACCESS_KEY))
            return
        vault.follow(rows)
        if len(rows) > 1 and all(walk.ended(pipeline, self._at_once) for walk in self._walks):
            _rewrap_few(pipeline)
            for row in rows[:-1]:
                store.keyring.remove(row)
            destroyed = " ".join(str(row.generation) for row in rows[:-1])
            told = {"Destroyed": destroyed, "Newest": str(rows[-1].generation)}
            home = pipeline.home
            record_service(
                batch, pipeline.clock, pipeline.entropy, home.account, DESTROYED, told, region=home.region
            )


class _Walk(Generic[T]):
    """Through all rows of one kind, in their order, a page in a batch.

    A page is left behind when it is seen as it was written: then that batch was committed.
    """

    def __init__(self, kind: "_Kind[T]") -> None:
        self._kind = kind
        self._behind = kind.before
        self._page: tuple[T, ...] | None = None

    def ended(self, pipeline: Pipeline, at_once: int) -> bool:
        """Take the next page; True if there is none."""
        found = self._kind.read(pipeline, self._behind, at_once)
        if found and found == self._page:
            self._behind = self._kind.place(found[-1])
            found = self._kind.read(pipeline, self._behind, at_once)
        newest = pipeline.vault.newest
        self._page = tuple(
            [
                one if self._kind.generation(one) == newest else self._kind.rewrap(pipeline, one)
                for one in found
            ]
        )
        return not found


class _Kind(NamedTuple, Generic[T]):
    """`before` is the place that all are behind, `place` that of one of them."""

    before: Any
    place: Callable[[T], Any]
    read: Callable[[Pipeline, Any, int], tuple[T, ...]]
    generation: Callable[[T], int]
    rewrap: Callable[[Pipeline, T], T]


def _versions(pipeline: Pipeline, behind: tuple[str, str, str, int], limit: int) -> tuple[KeyVersion, ...]:
    return pipeline.store.keys.versions_after(behind, limit)


def _rewrap_version(pipeline: Pipeline, version: KeyVersion) -> KeyVersion:
    made = pipeline.vault.rewrap_version(version)
    pipeline.store.keys.put_version(made)
    return made


def _access_keys(pipeline: Pipeline, behind: str, limit: int) -> tuple[AccessKey, ...]:
    return pipeline.store.accounts.access_keys_after(behind, limit)


def _rewrap_access_key(pipeline: Pipeline, access_key: AccessKey) -> AccessKey:
    made = pipeline.vault.rewrap_secret(access_key)
    pipeline.store.accounts.put_access_key(made)
    return made


_VERSION = _Kind[KeyVersion](
    ("", "", "", 0), lambda one: one.place, _versions, lambda one: one.material.generation, _rewrap_version
)
_ACCESS_KEY = _Kind[AccessKey](
    "", lambda one: one.access_key_id, _access_keys, lambda one: one.secret.generation, _rewrap_access_key
)


def _rewrap_few(pipeline: Pipeline) -> None:
    """What there are few of: MFA devices and CAs."""
    store, vault = pipeline.store, pipeline.vault
    for account in store.accounts.all():
        for device in store.identities.all(MfaDevice, account.account_id):
            made = vault.rewrap_seed(device.account, device.name, device.wrapped)
            store.identities.put(msgspec.structs.replace(device, generation=made.generation, seed=made.blob))
    if kept := store.authorities.all():
        store.authorities.replace([rewrap_authority(vault, one) for one in kept])
