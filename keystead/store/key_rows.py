"""Rows of keys and versions as what they mean; the columns are in the order of keystead.store.sealed."""

import msgspec

from keystead.domain.keys.key import (
    Key,
    KeySpec,
    KeyUsage,
    KeyVersion,
    Origin,
    ProtectionLevel,
    Wrapped,
)
from keystead.domain.keys.lifecycle import KeyState
from keystead.store.sealed import Row


def key_of(row: Row) -> Key:
    return Key(
        account=row[1],
        region=row[2],
        key_id=row[3],
        spec=KeySpec(row[4]),
        usage=KeyUsage(row[5]),
        origin=Origin(row[6]),
        protection=ProtectionLevel(row[7]),
        state=KeyState(row[8]),
        description=row[9],
        created=row[10],
        primary_version=row[11],
        rotated=row[12],
        instance=row[13],
        deletion_at=row[14],
        rotation_interval=row[15],
        protected=bool(row[17]),
        protection_reason=row[18],
        policy=row[19],
        absent=bool(row[20]),
        check=row[21],
        expires=row[22],
        service=row[23],
    )


def row_of_key(key: Key) -> Row:
    """All but its position."""
    return (
        None,
        key.account,
        key.region,
        key.key_id,
        key.spec,
        key.usage,
        key.origin,
        key.protection,
        key.state,
        key.description,
        key.created,
        key.primary_version,
        key.rotated,
        key.instance,
        key.deletion_at,
        key.rotation_interval,
        key.rotation_due,
        key.protected,
        key.protection_reason,
        key.policy,
        key.absent,
        key.check,
        key.expires,
        key.service,
    )


def version_of(row: Row) -> KeyVersion:
    return KeyVersion(
        account=row[0],
        region=row[1],
        key_id=row[2],
        version_id=row[3],
        number=row[4],
        spec=KeySpec(row[5]),
        usage=KeyUsage(row[6]),
        origin=Origin(row[7]),
        created=row[8],
        material=Wrapped(row[9], row[10]),
    )


def row_of_version(version: KeyVersion) -> Row:
    return (*msgspec.structs.astuple(version)[:-1], version.material.generation, version.material.blob)


def listing_of(account: str, region: str) -> str:
    """What the listing of an account's keys in a region is called."""
    return f"keys {account} {region}"
