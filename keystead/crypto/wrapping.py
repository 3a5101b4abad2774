"""What the root key wraps: the wrapping keys, by generation, and the service's own keys, by name; and what those wrap."""

import hmac
from collections.abc import Iterable, Sequence

import msgspec

from keystead.crypto.derivation import KEY_BYTES, prefixed
from keystead.crypto.material import Material
from keystead.crypto.notes import Signer
from keystead.crypto.root_key import RootKey
from keystead.crypto.row_seals import RowSeals
from keystead.crypto.sealing import Unopenable, seal, unseal
from keystead.domain.accounts import RootKeyFacts, ServiceSecret, WrappingKey
from keystead.domain.keys.key import Wrapped
from keystead.entropy import Entropy
from keystead.errors import OperatorError

SEALS = "seals"  # the own key that rows are sealed with
_CANARY = b"keystead/wrap/canary/1"


class Rewrapped(msgspec.Struct, frozen=True, kw_only=True):
    """All that the root key wraps, wrapped by another one, and what is to be noted of that one."""

    wrapping_keys: tuple[WrappingKey, ...]
    secrets: tuple[ServiceSecret, ...]
    facts: RootKeyFacts


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
        self._offered: tuple[RootKey, RootKeyFacts] | None = None

    @property
    def root(self) -> RootKey:
        """What all of it is wrapped by."""
        return self._root

    def make_wrapping_key(self, now: int) -> WrappingKey:
        """A new generation, wrapped by the root key and in use from here on."""
        made = self.new_wrapping_key(now, self._newest + 1)
        self.load([made])
        return made

    def new_wrapping_key(self, now: int, generation: int) -> WrappingKey:
        """A new generation, wrapped by the root key; it is in use when `follow` is told of it."""
        wrapped = self._root.wrap(_wrapping_key_facts(generation), self._entropy.take(KEY_BYTES))
        return WrappingKey(
            generation=generation, root_fingerprint=self._root.fingerprint, blob=wrapped, created=now
        )

    def follow(self, wrapping_keys: Sequence[WrappingKey]) -> None:
        """Have these generations and no others, one at least. They are those that are kept."""
        self.load(row for row in wrapping_keys if row.generation not in self._wrapping)
        for generation in self._wrapping.keys() - {row.generation for row in wrapping_keys}:
            del self._wrapping[generation]

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

    def signer(self, own_key: str, name: str) -> Signer:
        """What signs notes under a name, with one of the service's own keys."""
        return Signer(name, self._own[own_key])

    def offer(self, root: RootKey, facts: RootKeyFacts) -> None:
        """Have another root key ready, which `rewrap` goes over to."""
        self._offered = root, facts

    def rewrap(
        self, wrapping_keys: Iterable[WrappingKey], secrets: Iterable[ServiceSecret]
    ) -> Rewrapped | None:
        """All of these under the root key that was offered; None if none was. Each is opened again before it is given."""
        if self._offered is None:
            return None
        root, noted = self._offered

        def anew(facts: bytes, row: WrappingKey | ServiceSecret, what: str) -> bytes:
            value = self._unwrap_by_root(facts, row, what)
            wrapped = root.wrap(facts, value)
            if not hmac.compare_digest(root.unwrap(facts, wrapped), value):
                raise OperatorError(
                    "the new root key does not give back what it wrapped",
                    hint="nothing was changed; check the token, or choose another root key",
                )
            return wrapped

        return Rewrapped(
            wrapping_keys=tuple(
                WrappingKey(
                    generation=row.generation,
                    root_fingerprint=root.fingerprint,
                    blob=anew(_wrapping_key_facts(row.generation), row, f"wrapping key {row.generation}"),
                    created=row.created,
                )
                for row in wrapping_keys
            ),
            secrets=tuple(
                ServiceSecret(
                    name=row.name,
                    root_fingerprint=root.fingerprint,
                    blob=anew(_own_key_facts(row.name), row, f"the {row.name} key"),
                    created=row.created,
                )
                for row in secrets
            ),
            facts=noted,
        )

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

    # --- what proves that a backup can be opened, and that another generation has taken over

    @property
    def newest(self) -> int:
        """The generation that wraps what is new."""
        return self._newest

    def canary(self, generation: int) -> bytes:
        """A text sealed under a generation, which shows later that this is it."""
        return seal(self._wrapping[generation].prf, _CANARY, str(generation).encode(), b"", self._entropy)

    def opens_canary(self, generation: int, canary: bytes) -> bool:
        """Whether there is the generation that sealed this."""
        try:
            unseal(self._wrapping[generation].prf, _CANARY, str(generation).encode(), canary)
        except (KeyError, Unopenable):
            return False
        return True

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
