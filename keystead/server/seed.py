"""A fixed world for tests: keys with known ids and material, aliases, tags, states and AccessKeys, from a TOML file.

    account = "1000000000000001"            region = "cn-hangzhou"
    [[key]]          id, region, spec, usage, origin, state, description, tags, aliases
    [[key.version]]  id, material (base64, or a PKCS#8 PEM of a key pair), created; the last one is the primary one
    [[access_key]]   id, secret

What was encrypted under a seed opens under the same seed in any run. The file holds secrets in the clear: it is for tests.
"""

import base64
import binascii
import re
import tomllib
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from keystead.api.batch import Batch
from keystead.api.pipeline import Pipeline
from keystead.api.service import record_event
from keystead.crypto import asymmetric
from keystead.crypto.vault import Vault, material_bytes
from keystead.domain import aliases, tags
from keystead.domain.accounts import AccessKey, AccessKeyStatus
from keystead.domain.algorithms import ASYMMETRIC, SYMMETRIC, USAGES
from keystead.domain.aliases import Alias
from keystead.domain.keys import (
    DAY,
    Key,
    KeyFilter,
    KeySpec,
    KeyUsage,
    KeyVersion,
    Origin,
    ProtectionLevel,
    Wrapped,
)
from keystead.domain.lifecycle import INITIAL, Event, KeyState
from keystead.errors import OperatorError

_CREATED = datetime(2026, 1, 1, tzinfo=UTC)
_PENDING_DAYS = 30  # of a key that is seeded as pending deletion
_KEY_ID = re.compile(r"\A[A-Za-z0-9-]{1,64}\Z")
_UUID = re.compile(r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_ACCOUNT = re.compile(r"\A[0-9]{16}\Z")
_ACCESS_KEY_ID = re.compile(r"\A[A-Za-z0-9]{1,128}\Z")
_SECRET = re.compile(r"\A[!-~]{1,128}\Z")
# How a key gets into each state that it can be seeded in.
_SET: dict[KeyState, Callable[[Key, int], Key]] = {
    KeyState.ENABLED: lambda key, now: key,
    KeyState.DISABLED: lambda key, now: key.after(Event.DISABLE),
    KeyState.PENDING_DELETION: lambda key, now: key.scheduled(now + _PENDING_DAYS * DAY),
    KeyState.PENDING_IMPORT: lambda key, now: key.without_material(),
}


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class SeedVersion(_Row, frozen=True):
    id: str
    material: str = ""
    created: datetime = _CREATED


class SeedKey(_Row, frozen=True):
    id: str
    region: str = ""
    spec: KeySpec = KeySpec.AES_256
    usage: KeyUsage | None = None  # what the spec is for
    origin: Origin = Origin.ALIYUN_KMS
    state: KeyState = INITIAL
    description: str = ""
    tags: dict[str, str] = {}
    aliases: list[str] = []
    version: list[SeedVersion] = []


class SeedAccessKey(_Row, frozen=True):
    id: str
    secret: str


class Seed(_Row, frozen=True):
    """A seed file, validated."""

    account: str = "1000000000000001"
    region: str = "cn-hangzhou"
    key: list[SeedKey] = []
    access_key: list[SeedAccessKey] = []


class _Wrong(Exception):
    """What is wrong with the value at a path such as `$.key[0].id`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def read(file: str) -> Seed:
    """The seed in a file. OperatorError names line, field and what is wrong; never a value of a secret."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise OperatorError(f"cannot read the seed {file}: {error.strerror}", hint="check --seed") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"{file} is not valid TOML: {error}", hint="see https://toml.io") from None
    try:
        try:
            seed = msgspec.convert(found, Seed)
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at `")
            raise _Wrong(path.removesuffix("`") or "$", reason) from None
        _check(seed)
    except _Wrong as wrong:
        where = f"{file}, line {_line(text, wrong.path)}"
        field = wrong.path.removeprefix("$").removeprefix(".") or "the file"
        raise OperatorError(
            f"{where}: {field}: {wrong.reason}", hint="the how-to page on CI shows a seed"
        ) from None
    return seed


def _check(seed: Seed) -> None:
    def need(holds: object, path: str, reason: str) -> None:
        if not holds:
            raise _Wrong(path, reason)

    need(_ACCOUNT.match(seed.account), "$.account", "an account is 16 digits")
    keys: set[tuple[str, str]] = set()
    versions: set[str] = set()
    names: set[tuple[str, str]] = set()
    for number, key in enumerate(seed.key):
        at, region = f"$.key[{number}]", key.region or seed.region
        need(_KEY_ID.match(key.id), f"{at}.id", "a key id is 1 to 64 letters, digits and hyphens")
        need((region, key.id) not in keys, f"{at}.id", "there is a key with this id already")
        keys.add((region, key.id))
        waiting = key.state is KeyState.PENDING_IMPORT
        external = key.origin is Origin.EXTERNAL
        need(key.usage in (None, *USAGES[key.spec]), f"{at}.usage", f"a key of {key.spec} is not for this")
        need(not external or key.spec in SYMMETRIC, f"{at}.origin", "only symmetric keys are EXTERNAL")
        need(external or not waiting, f"{at}.state", "only EXTERNAL keys wait for their material")
        need(key.version or waiting, at, "a key needs a [[key.version]]")
        need(not external or len(key.version) <= 1, at, "an EXTERNAL key has one [[key.version]]")
        need(len(key.tags) <= tags.MAXIMUM, f"{at}.tags", f"a key has at most {tags.MAXIMUM} tags")
        for name, value in key.tags.items():
            need(tags.valid_key(name) and tags.valid_value(value), f"{at}.tags", "a tag is not valid")
        for name in key.aliases:
            need(
                aliases.well_formed(name),
                f"{at}.aliases",
                "an alias is alias/ and 1 to 255 of A-Z a-z 0-9 - _ /",
            )
            need((region, name) not in names, f"{at}.aliases", f"{name} is there already")
            names.add((region, name))
        for place, version in enumerate(key.version):
            here = f"{at}.version[{place}]"
            need(_UUID.match(version.id), f"{here}.id", "a version id is a UUID in lower case")
            need(version.id not in versions, f"{here}.id", "there is a version with this id already")
            versions.add(version.id)
            try:
                _material(key, version)
            except ValueError as error:
                raise _Wrong(f"{here}.material", str(error)) from None
    ids = [one.id for one in seed.access_key]
    for number, one in enumerate(seed.access_key):
        at = f"$.access_key[{number}]"
        need(_ACCESS_KEY_ID.match(one.id), f"{at}.id", "an AccessKey id is 1 to 128 letters and digits")
        need(ids.index(one.id) == number, f"{at}.id", "there is an AccessKey with this id already")
        need(_SECRET.match(one.secret), f"{at}.secret", "a secret is 1 to 128 printable ASCII characters")


def _material(key: SeedKey, version: SeedVersion) -> bytes:
    """The material, or nothing for a key that waits for it; ValueError says what it should be."""
    if key.state is KeyState.PENDING_IMPORT:
        if version.material:
            raise ValueError("a key that waits for its material has none")
        return b""
    if key.spec in ASYMMETRIC:
        try:
            return asymmetric.load_private(key.spec, version.material.strip().encode())
        except ValueError:
            raise ValueError(f"it is the PKCS#8 PEM of a private key of {key.spec}") from None
    length = material_bytes(key.spec)
    try:
        material = base64.b64decode(version.material, validate=True)
    except (binascii.Error, ValueError):
        material = b""
    if len(material) != length:
        raise ValueError(f"it is the base64 of {length} bytes")
    return material


def _line(text: str, path: str) -> int:
    """The line of the field or table at a path, or of the nearest table around it."""
    steps: list[Any] = [int(one) if one.isdigit() else one for one in re.findall(r"[A-Za-z_]\w*|\d+", path)]
    counts: dict[str, int] = {}
    here: list[Any] = []
    best, line_of_best = -1, 1
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([\w.]+)\s*\]", line)
        if header:
            name = header[1]
            if line.lstrip().startswith("[["):
                counts[name] = counts.get(name, -1) + 1
            if name == "key":
                counts.pop("key.version", None)
            here = []
            for part in range(len(name.split("."))):
                prefix = ".".join(name.split(".")[: part + 1])
                here += (
                    [name.split(".")[part], counts[prefix]] if prefix in counts else [name.split(".")[part]]
                )
        field = re.match(r"\s*([\w]+)\s*=", line)
        found = [*here, field[1]] if field else here
        if found == steps[: len(found)] and len(found) > best and (header or field):
            best, line_of_best = len(found), number
    return line_of_best


def plant(pipeline: Pipeline, seed: Seed, anyway: bool = False) -> None:
    """Put the seed into the store. OperatorError if it has keys of its own, unless told, or another account."""
    store, vault = pipeline.store, pipeline.vault
    now = int(pipeline.clock.now())
    store.begin()
    try:
        if pipeline.account != seed.account:
            raise OperatorError(
                f"the seed is of account {seed.account}, this server of {pipeline.account}",
                hint="seed a new data directory",
            )
        if not anyway and _has_others(pipeline, seed):
            raise OperatorError(
                "this server has keys already", hint="seed a new data directory, or add --seed-anyway"
            )
        batch = Batch(store)
        for one in seed.key:
            key, versions = _key(seed, one, now, vault)
            if store.keys.get(key.account, key.region, key.key_id) is not None:
                continue  # planted by an earlier start
            first, *others = (vault.keep_material(*version) for version in versions)
            store.keys.add(key, first, one.tags)
            for version in others:
                store.keys.add_version(version)
            for name in one.aliases:
                store.aliases.add(
                    Alias(
                        account=key.account,
                        region=key.region,
                        name=name,
                        key_id=key.key_id,
                        created=key.created,
                    )
                )
            record_event(pipeline, batch, key, "SeedKey")
        for access_key in seed.access_key:
            if store.accounts.access_key(access_key.id) is None:
                store.accounts.add_access_key(
                    AccessKey(
                        access_key_id=access_key.id,
                        account=seed.account,
                        status=AccessKeyStatus.ACTIVE,
                        created=now,
                        secret=vault.keep_secret(seed.account, access_key.id, access_key.secret),
                    )
                )
        batch.write()
        store.commit()
    except BaseException:
        store.rollback()
        raise


def _has_others(pipeline: Pipeline, seed: Seed) -> bool:
    """Whether a region of the seed has keys that the seed does not name."""
    keys, account = pipeline.store.keys, pipeline.account
    for region in {one.region or seed.region for one in seed.key}:
        named = [one.id for one in seed.key if (one.region or seed.region) == region]
        there = sum(keys.get(account, region, key_id) is not None for key_id in named)
        if keys.page(account, region, KeyFilter(), 0, 1).total > there:
            return True
    return False


def _seconds(time: datetime) -> int:
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _key(seed: Seed, one: SeedKey, now: int, vault: Vault) -> tuple[Key, list[tuple[KeyVersion, bytes]]]:
    usage = one.usage or USAGES[one.spec][0]
    versions = [
        (
            KeyVersion(
                account=seed.account,
                region=one.region or seed.region,
                key_id=one.id,
                version_id=version.id,
                number=number,
                spec=one.spec,
                usage=usage,
                origin=one.origin,
                created=_seconds(version.created),
                material=Wrapped(0, b""),
            ),
            _material(one, version),
        )
        for number, version in enumerate(one.version or [SeedVersion(id=_waiting_version(one.id))], 1)
    ]
    first, last = versions[0][0], versions[-1][0]
    key = Key(
        account=first.account,
        region=first.region,
        key_id=one.id,
        spec=one.spec,
        usage=usage,
        origin=one.origin,
        protection=ProtectionLevel.SOFTWARE,
        state=INITIAL,
        description=one.description,
        created=first.created,
        primary_version=last.version_id,
        rotated=last.created,
    )
    if one.origin is Origin.EXTERNAL and versions[-1][1]:
        check = vault.make_check(key, versions[-1][1])
        key = msgspec.structs.replace(key, check=check)
    return _SET[one.state](key, now), versions


def _waiting_version(key_id: str) -> str:
    """The version id of a key that waits for its material: the same in any run."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, key_id))
