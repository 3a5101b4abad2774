"""What the root key wraps: the wrapping keys, by generation, and the service's own keys, by name; and what those wrap."""

from collections.abc import Iterable

import msgspec

from keystead.crypto.derivation import KEY_BYTES, prefixed
from keystead.crypto.material import Material
from keystead.crypto.root_key import RootKey
from keystead.crypto.row_seals import RowSeals
from keystead.crypto.sealing import Unopenable, seal, unseal
from keystead.domain.accounts import ServiceSecret, WrappingKey
from keystead.domain.keys.key import Wrapped
from keystead.entropy import Entropy
from keystead.errors import OperatorError

SEALS = "seals"  # the own key that rows are sealed with


class Wrapping:
    """Holds the unwrapped wrapping keys, and the service's own keys."""

    def __init__(self, root: RootKey, entropy: Entropy) -> None:
        self._root = root
        self._entropy = entropy
        self._wrapping: dict[int, Material] = {}
        self._own: dict[str, bytes] = {}
        self._newest = 0
        self.unsealed: set[int] = set()
        """Generations that were wrapped before the rows of the store were sealed, and must be wrapped anew once they are:
        as they are, they would open in a store whose seals were all taken away."""

    def make_wrapping_key(self, now: int) -> WrappingKey:
        """A new generation, wrapped by the root key and in use from here on."""
        generation = self._newest + 1
        key = self._entropy.take(KEY_BYTES)
        wrapped = self._root.wrap(_wrapping_key_facts(generation), key)
        self._wrapping[generation] = Material(key)
        self._newest = generation
        return WrappingKey(
            generation=generation, root_fingerprint=self._root.fingerprint, blob=wrapped, created=now
        )

    def load(self, wrapping_keys: Iterable[WrappingKey], secrets: Iterable[ServiceSecret] = ()) -> None:
        """Unwrap all generations, and the service's own keys. OperatorError if the root key is not the one they were
        wrapped by."""
        for row in wrapping_keys:
            what = f"wrapping key {row.generation}"
            try:
                key = self._unwrap_by_root(_wrapping_key_facts(row.generation), row, what)
            except _DoesNotOpen:
                key = self._unwrap_by_root(_unsealed_facts(row.generation), row, what)
                self.unsealed.add(row.generation)
            self._wrapping[row.generation] = Material(key)
            self._newest = max(self._newest, row.generation)
        for secret in secrets:
            self._own[secret.name] = self._unwrap_by_root(
                _own_key_facts(secret.name), secret, f"the {secret.name} key"
            )

    def make_own_key(self, name: str, now: int) -> ServiceSecret:
        """A new key of the service itself, wrapped by the root key and in use from here on."""
        key = self._own[name] = self._entropy.take(KEY_BYTES)
        wrapped = self._root.wrap(_own_key_facts(name), key)
        return ServiceSecret(name=name, root_fingerprint=self._root.fingerprint, blob=wrapped, created=now)

    def has_own_key(self, name: str) -> bool:
        """Whether there is a key of the service itself of this name."""
        return name in self._own

    def _unwrap_by_root(self, facts: bytes, row: WrappingKey | ServiceSecret, what: str) -> bytes:
        if row.root_fingerprint != self._root.fingerprint:
            raise OperatorError(
                f"this data was sealed under another root key (it needs {row.root_fingerprint}, "
                f"this one is {self._root.fingerprint})",
                hint="put back the root key file that belongs to this data directory",
            )
        try:
            return self._root.unwrap(facts, row.blob)
        except Unopenable:
            raise _DoesNotOpen(
                f"{what} does not open: the database was altered or is damaged",
                hint="restore the data directory from a backup",
            ) from None

    def wrap_anew(self, row: WrappingKey) -> WrappingKey:
        """A generation of `unsealed` as it is wrapped in a store whose rows are sealed."""
        key = self._unwrap_by_root(_unsealed_facts(row.generation), row, f"wrapping key {row.generation}")
        self.unsealed.discard(row.generation)
        return msgspec.structs.replace(row, blob=self._root.wrap(_wrapping_key_facts(row.generation), key))

    def row_seals(self) -> RowSeals:
        """What seals rows, under the own key `seals`."""
        return RowSeals(self._own[SEALS], self._entropy)

    # --- inside

    def _wrap(self, label: bytes, facts: bytes, value: bytes) -> Wrapped:
        key = self._wrapping[self._newest].prf
        return Wrapped(generation=self._newest, blob=seal(key, label, facts, value, self._entropy))

    def _unwrap(self, label: bytes, facts: bytes, wrapped: Wrapped) -> bytes:
        try:
            return unseal(self._wrapping[wrapped.generation].prf, label, facts, wrapped.blob)
        except (KeyError, Unopenable):
            raise OperatorError(
                "a wrapped row does not open: the database was altered or is damaged",
                hint="restore the data directory from a backup",
            ) from None


class _DoesNotOpen(OperatorError):
    """It was wrapped by this root key, and is not what is looked for."""


def _wrapping_key_facts(generation: int) -> bytes:
    return prefixed("wrapping_key", str(generation), "sealed rows")


def _unsealed_facts(generation: int) -> bytes:
    return prefixed("wrapping_key", str(generation))


def _own_key_facts(name: str) -> bytes:
    return prefixed("service_secret", name)
