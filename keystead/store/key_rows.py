"""Rows of keys and versions as what they mean: which columns are read, in which order, and what is made of them."""

from typing import Any

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

SELECT_KEY = (
    "SELECT account, region, key_id, spec, usage, origin, protection, state, description, created, "
    "primary_version, rotated, instance, deletion_at, position, rotation_interval, "
    "protected, protection_reason, policy, absent, material_check, expires, service FROM keys"
)
SELECT_VERSION = (
    "SELECT account, region, key_id, version_id, number, spec, usage, origin, created, generation, material "
    "FROM key_versions"
)


def key_of(row: tuple[Any, ...]) -> Key:
    return Key(
        account=row[0],
        region=row[1],
        key_id=row[2],
        spec=KeySpec(row[3]),
        usage=KeyUsage(row[4]),
        origin=Origin(row[5]),
        protection=ProtectionLevel(row[6]),
        state=KeyState(row[7]),
        description=row[8],
        created=row[9],
        primary_version=row[10],
        rotated=row[11],
        instance=row[12],
        deletion_at=row[13],
        rotation_interval=row[15],
        protected=bool(row[16]),
        protection_reason=row[17],
        policy=row[18],
        absent=bool(row[19]),
        check=row[20],
        expires=row[21],
        service=row[22],
    )


def version_of(row: tuple[Any, ...]) -> KeyVersion:
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
