"""What a request names: its keys, versions, ciphertexts and aliases, found in the store of the caller's account and region.

What is not in this account and region is answered like what does not exist anywhere, but for keys of other accounts whose
policies let the caller use them.
"""

from collections.abc import Callable
from typing import Any

from keystead.api.needs import Need
from keystead.api.operation import Operation, Source
from keystead.api.service_keys import Promise, promise
from keystead.api.wire_types import KeyReference, Request, Role
from keystead.crypto import blob as blobs
from keystead.crypto.sealing import Unopenable
from keystead.domain.arns import alias_arn, key_arn, ram_arn
from keystead.domain.keys.algorithms import SYMMETRIC
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import Key, KeyVersion
from keystead.domain.keys.uses import Place
from keystead.entropy import Entropy
from keystead.errors import (
    AliasNotFound,
    InvalidParameter,
    KeyNotFound,
    KeyVersionNotFound,
    MissingParameter,
    ResourceIdNotFound,
)
from keystead.store.ports import Store


class Resolver:
    """Resolves what one request names, as of now; `resolve` once, and read the rest."""

    def __init__(
        self,
        store: Store,
        account: str,
        region: str,
        now: int,
        entropy: Entropy | None = None,
        admits: Callable[[Need], bool] = lambda need: False,
        caller: str = "",
    ) -> None:
        """With `entropy` the key of a service that has none yet is promised; `admits` tells whether a key of another account
        lets the caller do what it needs; `caller` is the name of the RAM user that calls."""
        self._store = store
        self._account = account
        self._region = region
        self._now = now
        self._entropy = entropy
        self._admits = admits
        self._caller = caller
        self._operation: Operation | None = None
        self.needs: list[Need] = []  # what must be allowed
        self.keys: list[Key] = []  # all that are found
        self.key: Key | None = None
        self.version: KeyVersion | None = None
        self.blob: blobs.Blob | None = None
        self.source: Source | None = None
        self.alias: Alias | None = None
        self.promise: Promise | None = None

    @property
    def resources(self) -> list[str]:
        """The ARNs of all that must be allowed; of a key that is promised, which may never be, that of its alias."""
        promise = self.promise
        return [
            alias_arn(self._account, self._region, promise.alias.name)
            if promise is not None and need.key is promise.key
            else need.resource
            for need in self.needs
        ]

    def resolve(self, operation: Operation, request: Request) -> "Resolver":
        """Look up all that the operation's fields name. The refusal of what is not there; Unopenable for a ciphertext that
        names no key of this account and region."""
        asked: dict[Role, Any] = {}
        self._operation = operation
        for field in operation.roles:
            value = getattr(request, field.attribute)
            match field.param.role:
                case Role.KEY:
                    self._take_key(field.name, value)
                case Role.KEYS:
                    self.keys += [self._listed_key(one) for one in value]
                    self.needs += [self._need_of(Role.KEYS, one) for one in self.keys]
                case Role.BLOB:
                    self.blob = blobs.parse(value)
                    self.key, self.version = self._version_of_blob(Role.BLOB, self.blob)
                    self.needs.append(self._need_of(Role.BLOB, self.key))
                case Role.VERSION:
                    assert self.key is not None
                    self.version = self._version_of(self.key, value)
                case Role.SOURCE_KEY | Role.SOURCE_VERSION:
                    asked[field.param.role] = value
                case Role.SOURCE:
                    self.source = self._find_source(value, asked[Role.SOURCE_KEY], asked[Role.SOURCE_VERSION])
                    self.needs.append(self._need_of(Role.SOURCE, self.source.key))
                case Role.ALIAS:
                    self.alias = self._store.aliases.get(self._account, self._region, value)
                    if self.alias is None:
                        raise AliasNotFound
                    self._need_alias(value)
                    if self.key is None:  # the alias goes from it; UpdateAlias names the one that it goes to
                        self._need_key_of(self.alias)
                case Role.NEW_ALIAS:
                    self._need_alias(value)
                case kind:  # a user, group, policy or device, which Ram looks up itself
                    assert kind is not None
                    # The serial number of a device ends with its name; no name has a slash.
                    arn = ram_arn(self._account, kind.value, value.rpartition("/")[2] or self._caller)
                    self.needs.append(Need(operation.action_on(kind), arn, self._account))
        self.keys += [one for one in (self.key, self.source.key if self.source else None) if one is not None]
        if operation.gate is not None and not self.keys:
            raise MissingParameter(name=operation.roles[0].name)
        return self

    def used(self) -> list[tuple[Place, str]]:
        """The keys that a call of this kind uses, each once, with the id of the version."""
        found = (
            [] if self.key is None or self.version is None else [(self.key.place, self.version.version_id)]
        )
        if self.source is not None:
            source = self.source.key.place, self.source.version.version_id
            if source not in found:
                found.append(source)
        return found

    def _need_of(self, role: Role, key: Key) -> Need:
        assert self._operation is not None
        return Need(
            self._operation.action_on(role), key_arn(*key.place), key.account, key, self._operation.uses
        )

    def _need_alias(self, name: str) -> None:
        assert self._operation is not None
        arn = alias_arn(self._account, self._region, name)
        self.needs.append(Need(self._operation.action_on(Role.ALIAS), arn, self._account))

    def _need_key_of(self, alias: Alias) -> None:
        key = self._store.keys.get(alias.account, alias.region, alias.key_id)
        assert key is not None  # it takes its aliases along when it goes
        self.needs.append(self._need_of(Role.ALIAS, key))

    def _take_key(self, name: str, reference: KeyReference) -> None:
        if reference == KeyReference():
            return  # optional, and not given
        try:
            key = self._find_key(Role.KEY, reference)
        except AliasNotFound:
            if not self._promise(reference):
                raise
            return
        if self.key is not None:
            if self.key != key:
                raise InvalidParameter(name=name)
            return
        self.key = key
        self.version = self._store.keys.version(key.account, key.primary_version)
        self.needs.append(self._need_of(Role.KEY, key))

    def _promise(self, reference: KeyReference) -> bool:
        """Whether an alias that was not found is that of a service, whose key is now promised."""
        name = reference.alias
        if self._entropy is None or self._elsewhere(reference):
            return False
        if self._store.aliases.get(self._account, self._region, name) is not None:
            return False  # what has the name is about to be deleted
        self.promise = promise(self._account, self._region, name, self._now, self._entropy)
        if self.promise is None:
            return False
        self.key, self.version = self.promise.key, self.promise.version
        # It may be allowed together with others, not by an id that nobody knows yet.
        others = key_arn(self._account, self._region, "*")
        self.needs.append(self._need_of(Role.KEY, self.key)._replace(resource=others))
        return True

    def _elsewhere(self, reference: KeyReference) -> bool:
        return reference.account not in ("", self._account) or reference.region not in ("", self._region)

    def _find_key(self, role: Role, reference: KeyReference) -> Key:
        elsewhere = self._elsewhere(reference)
        key_id = reference.key_id
        if reference.alias:
            alias = (
                None if elsewhere else self._store.aliases.get(self._account, self._region, reference.alias)
            )
            if alias is None:
                raise AliasNotFound
            key_id = alias.key_id
        own = None if elsewhere else self._store.keys.get(self._account, self._region, key_id)
        key = self._foreign(role, reference) if elsewhere else own
        if key is None or key.gone(self._now):
            raise AliasNotFound if reference.alias else KeyNotFound
        return key

    def _foreign(self, role: Role, reference: KeyReference) -> Key | None:
        """The key of another account in this region, if its policy lets the caller use it so."""
        if reference.account in ("", self._account) or reference.region != self._region:
            return None
        key = self._shared(reference.account, reference.key_id)
        return key if key is not None and self._lets_in(role, key) else None

    def _shared(self, account: str, key_id: str) -> Key | None:
        """The key of another account, if its policy names this one. No other key is looked at: the time that it takes to
        answer would tell that it is there."""
        keys, place = self._store.keys, (account, self._region, key_id)
        return keys.get(*place) if keys.shares(*place, self._account) else None

    def _lets_in(self, role: Role, key: Key) -> bool:
        need = self._need_of(role, key)
        return need.uses and self._admits(need)

    def _listed_key(self, reference: KeyReference) -> Key:
        try:
            return self._find_key(Role.KEYS, reference)
        except KeyNotFound:
            raise ResourceIdNotFound from None

    def _find_source(self, text: str, reference: KeyReference, version_id: str) -> Source:
        """The key and version of a ciphertext: those it names itself, or, as one that was encrypted under a public key does
        not, those that the request names. If both do they must agree."""
        key = None if reference == KeyReference() else self._find_key(Role.SOURCE, reference)
        if key is not None and key.spec not in SYMMETRIC:
            if not version_id:
                raise MissingParameter(name="SourceKeyVersionId")
            return Source(key, self._version_of(key, version_id), None)
        blob = blobs.parse(text)
        found, version = self._version_of_blob(Role.SOURCE, blob)
        if key not in (None, found) or version_id not in ("", version.version_id):
            raise Unopenable
        return Source(found, version, blob)

    def _version_of(self, key: Key, version_id: str) -> KeyVersion:
        version = self._store.keys.version(key.account, version_id)
        if version is None or (version.account, version.region, version.key_id) != key.place:
            raise KeyVersionNotFound
        return version

    def _version_of_blob(self, role: Role, blob: blobs.Blob) -> tuple[Key, KeyVersion]:
        keys = self._store.keys
        version = keys.version(self._account, blob.version_id)
        if version is None:
            return self._foreign_version(role, blob)
        key = keys.get(version.account, version.region, version.key_id)
        if key is None or version.region != self._region or key.gone(self._now):
            raise Unopenable
        return key, version

    def _foreign_version(self, role: Role, blob: blobs.Blob) -> tuple[Key, KeyVersion]:
        """Those of another account: as a ciphertext does not say whose it is, of one where this account is a guest. Who is
        that of some keys of an account may tell by the time that a ciphertext is under another one of them."""
        for host in self._store.keys.hosts(self._account):
            version = self._store.keys.version(host, blob.version_id)
            if version is not None and version.region == self._region:
                key = self._shared(host, version.key_id)
                if key is not None and not key.gone(self._now) and self._lets_in(role, key):
                    return key, version
        raise Unopenable
