"""Keys and their versions, as values."""

import enum
from collections.abc import Sequence

import msgspec

from keystead.domain.keys.lifecycle import DOOMED, INITIAL, Event, Gate, KeyState, advance, is_open
from keystead.domain.keys.rotation import DAY as DAY
from keystead.domain.keys.rotation import AutomaticRotation


class KeySpec(enum.StrEnum):
    """The algorithm of a key, spelled as on the wire."""

    AES_256 = "Aliyun_AES_256"
    AES_192 = "Aliyun_AES_192"
    AES_128 = "Aliyun_AES_128"
    SM4 = "Aliyun_SM4"
    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    RSA_4096 = "RSA_4096"
    EC_P256 = "EC_P256"
    EC_P256K = "EC_P256K"
    EC_SM2 = "EC_SM2"
    HMAC_SHA_224 = "HMAC_SHA_224"
    HMAC_SHA_256 = "HMAC_SHA_256"
    HMAC_SHA_384 = "HMAC_SHA_384"
    HMAC_SHA_512 = "HMAC_SHA_512"
    HMAC_SM3 = "HMAC_SM3"


class KeyUsage(enum.StrEnum):
    """What a key may be used for."""

    ENCRYPT_DECRYPT = "ENCRYPT/DECRYPT"
    SIGN_VERIFY = "SIGN/VERIFY"
    GENERATE_VERIFY_MAC = "GENERATE/VERIFY_MAC"


class Origin(enum.StrEnum):
    """Who made the key material."""

    ALIYUN_KMS = "Aliyun_KMS"
    EXTERNAL = "EXTERNAL"


class ProtectionLevel(enum.StrEnum):
    """Where the key material lives."""

    SOFTWARE = "SOFTWARE"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key (the vendor's CMK): a named, stateful resource of one account and region.

    Times are whole seconds since 1970, UTC. `deletion_at` is set only while deletion is scheduled.
    """

    account: str
    region: str
    key_id: str
    spec: KeySpec
    usage: KeyUsage
    origin: Origin
    protection: ProtectionLevel
    state: KeyState
    description: str
    created: int
    primary_version: str
    rotated: int
    instance: str = (
        ""  # the KMS instance the client named (DKMSInstanceId); kept and shown, it changes nothing
    )
    deletion_at: int | None = None
    rotation_interval: int | None = None  # seconds; None: no automatic rotation
    protected: bool = False  # against deletion
    protection_reason: str = ""
    policy: str = ""  # its JSON; empty: none was set
    absent: bool = False  # its material is still to be imported, or was deleted
    check: bytes = b""  # of material that was imported: tells whether other material is the same
    expires: int | None = None  # when imported material is deleted
    service: str = ""  # the code of the service whose key it is; empty: a user's

    @property
    def creator(self) -> str:
        """Who made it, as the vendor shows it: the account, or of a service's key the code in capitals."""
        return self.service.upper() or self.account

    @property
    def place(self) -> tuple[str, str, str]:
        """Account, region and id: what names the key in the store."""
        return self.account, self.region, self.key_id

    def gone(self, now: int) -> bool:
        """Whether its deletion is due: from that second on nobody finds it; listings follow when the service gets to it."""
        return self.deletion_at is not None and self.deletion_at <= now

    def at(self, now: int) -> "Key":
        """The key as it is to be used and shown now: without material that has expired; listings follow when the service
        gets to it. Not to be put into the store in place of the key: that is the service's work, with the material's."""
        expired = self.expires is not None and self.expires <= now
        return self.without_material() if expired else self

    def after(self, event: Event) -> "Key":
        """The key after enable, disable or cancelled deletion; a scheduled deletion is forgotten."""
        key = msgspec.structs.replace(self, state=advance(self.state, event), deletion_at=None)
        return key.without_material() if self.absent else key

    def with_material(self, check: bytes, expires: int | None) -> "Key":
        """The key with material that was imported."""
        state = advance(self.state, Event.IMPORT)
        return msgspec.structs.replace(self, state=state, absent=False, check=check, expires=expires)

    def without_material(self) -> "Key":
        """The key waiting for its material, which must be the same if there ever was one."""
        state = advance(self.state, Event.REMOVE_MATERIAL)
        return msgspec.structs.replace(self, state=state, absent=True, expires=None)

    def scheduled(self, due: int) -> "Key":
        """The key with its deletion due at that second."""
        return msgspec.structs.replace(
            self, state=advance(self.state, Event.SCHEDULE_DELETION), deletion_at=due
        )

    def rotated_to(self, version: "KeyVersion") -> "Key":
        """The key with a new primary version; the others go on opening what they sealed."""
        return msgspec.structs.replace(self, primary_version=version.version_id, rotated=version.created)

    @property
    def automatic_rotation(self) -> AutomaticRotation:
        """Whether the key is rotated by itself: suspended as long as it can't be used."""
        if self.rotation_interval is None:
            return AutomaticRotation.DISABLED
        return AutomaticRotation.ENABLED if is_open(Gate.USE, self.state) else AutomaticRotation.SUSPENDED

    @property
    def next_rotation(self) -> int | None:
        """When the next rotation is due, or was while it is suspended; None without automatic rotation."""
        return None if self.rotation_interval is None else self.rotated + self.rotation_interval

    @property
    def rotation_due(self) -> int | None:
        """When the service rotates the key; None if it does not."""
        return self.next_rotation if self.automatic_rotation is AutomaticRotation.ENABLED else None

    @property
    def doomed(self) -> bool:
        """Whether deletion is scheduled."""
        return self.state is DOOMED


class Wrapped(msgspec.Struct, frozen=True):
    """Something wrapped under the wrapping key of that generation; bound to the row it belongs to."""

    generation: int
    blob: bytes


class KeyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One generation of a key's material. `number` counts from 1 within the key."""

    account: str
    region: str
    key_id: str
    version_id: str
    number: int
    spec: KeySpec
    usage: KeyUsage
    origin: Origin
    created: int
    material: Wrapped

    @property
    def place(self) -> tuple[str, str, str, int]:
        """Account, region, key and number: where it is among the versions of all keys."""
        return self.account, self.region, self.key_id, self.number

    def new_key(self, description: str, service: str = "") -> Key:
        """An enabled key whose first version this is."""
        return Key(
            account=self.account,
            region=self.region,
            key_id=self.key_id,
            spec=self.spec,
            usage=self.usage,
            origin=self.origin,
            protection=ProtectionLevel.SOFTWARE,
            state=INITIAL,
            description=description,
            created=self.created,
            primary_version=self.version_id,
            rotated=self.created,
            service=service,
        )

    def next(self, version_id: str, now: int) -> "KeyVersion":
        """The version after this one, without material yet."""
        return msgspec.structs.replace(
            self, version_id=version_id, number=self.number + 1, created=now, material=Wrapped(0, b"")
        )


class KeyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys a listing shows: for each facet the wanted values, an empty set meaning all.

    Tag keys and tag values are of the same tag.
    """

    states: frozenset[str] = frozenset()
    specs: frozenset[str] = frozenset()
    usages: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    protections: frozenset[str] = frozenset()
    creators: frozenset[str] = frozenset()
    creator_types: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    tag_keys: frozenset[str] = frozenset()
    tag_values: frozenset[str] = frozenset()

    @property
    def named(self) -> bool:
        """Whether it looks for keys by their names, tags or instance."""
        return bool(self.ids or self.aliases or self.instances or self.tag_keys or self.tag_values)

    def fits(self, account: str, facets: Sequence[str]) -> bool:
        """Whether a key of the account with this state, spec, usage, origin, protection level and service is wanted,
        whatever its name."""
        service = facets[-1]
        shown = (*facets[:-1], service.upper() or account, "Service" if service else "User")
        wanted = (
            self.states, self.specs, self.usages, self.origins, self.protections, self.creators, self.creator_types,
        )  # fmt: skip
        return all(not some or one in some for one, some in zip(shown, wanted, strict=True))
