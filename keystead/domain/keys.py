"""Keys and their versions, as values."""

import enum

import msgspec

from keystead.domain.lifecycle import DOOMED, Event, Gate, KeyState, advance, is_open
from keystead.domain.rotation import DAY as DAY
from keystead.domain.rotation import AutomaticRotation


class KeySpec(enum.StrEnum):
    """The algorithm of a key, spelled as on the wire."""

    AES_256 = "Aliyun_AES_256"
    AES_192 = "Aliyun_AES_192"
    AES_128 = "Aliyun_AES_128"
    SM4 = "Aliyun_SM4"


class KeyUsage(enum.StrEnum):
    """What a key may be used for."""

    ENCRYPT_DECRYPT = "ENCRYPT/DECRYPT"


class Origin(enum.StrEnum):
    """Who made the key material."""

    ALIYUN_KMS = "Aliyun_KMS"


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

    def after(self, event: Event) -> "Key":
        """The key after enable, disable or cancelled deletion; a scheduled deletion is forgotten."""
        return msgspec.structs.replace(self, state=advance(self.state, event), deletion_at=None)

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

    def next(self, version_id: str, now: int) -> "KeyVersion":
        """The version after this one, without material yet."""
        return msgspec.structs.replace(
            self, version_id=version_id, number=self.number + 1, created=now, material=Wrapped(0, b"")
        )


class KeyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys a listing shows: for each facet the wanted values, an empty set meaning all."""

    states: frozenset[str] = frozenset()
    specs: frozenset[str] = frozenset()
    usages: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    protections: frozenset[str] = frozenset()
