"""A fixed world for tests, from a TOML file: keys with known ids and material, and who may use them.

    account = "1000000000000001"            region = "cn-hangzhou"
    [[key]]             id, region, spec, usage, origin, state, description, tags, aliases, policy (JSON)
    [[key.version]]     id, material (base64, or a PKCS#8 PEM of a key pair), created; the last one is the primary one
    [[access_key]]      id, secret
    [[policy]]          name, description, document (JSON)
    [[group]]           name, comments, policies
    [[user]]            name, display_name, groups, policies
    [[user.access_key]] id, secret

`groups` are names of the file's, `policies` names of the file's or of the vendor's.

What was encrypted under a seed opens under the same seed in any run. The file holds secrets in the clear: it is for tests.
"""

import base64
import binascii
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from keystead.access.documents import Document, Malformed, identity_document, key_document
from keystead.access.system_policies import SYSTEM_POLICIES
from keystead.api.coerce import DESCRIPTION_CHARACTERS
from keystead.crypto.primitives import asymmetric
from keystead.crypto.vault import material_bytes
from keystead.domain.identities import ACCESS_KEYS, ATTACHED, GROUP_NAME, GROUPS_OF_USER, NAME, POLICY_NAME
from keystead.domain.keys import aliases, tags
from keystead.domain.keys.algorithms import ASYMMETRIC, SYMMETRIC, USAGES
from keystead.domain.keys.key import KeySpec, KeyUsage, Origin
from keystead.domain.keys.lifecycle import INITIAL, KeyState
from keystead.errors import OperatorError, UnsupportedOperation
from keystead.forms import ACCOUNT, REGION

_CREATED = datetime(2026, 1, 1, tzinfo=UTC)
_KEY_ID = re.compile(r"\A(?=.*[A-Za-z0-9])[A-Za-z0-9-]{1,64}\Z")
_UUID = re.compile(r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_ACCESS_KEY_ID = re.compile(r"\A[A-Za-z0-9]{1,128}\Z")
_REGION = f"a region is {REGION.words}"
_SECRET = re.compile(r"\A[!-~]{1,128}\Z")


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file. It shows nothing of its content: much of it is secret."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


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
    policy: str = ""
    version: list[SeedVersion] = []


class SeedAccessKey(_Row, frozen=True):
    id: str
    secret: str


class SeedPolicy(_Row, frozen=True):
    name: str
    document: str
    description: str = ""


class SeedGroup(_Row, frozen=True):
    name: str
    comments: str = ""
    policies: list[str] = []


class SeedUser(_Row, frozen=True):
    name: str
    display_name: str = ""
    groups: list[str] = []
    policies: list[str] = []
    access_key: list[SeedAccessKey] = []


class Seed(_Row, frozen=True):
    """A seed file, validated."""

    account: str = "1000000000000001"
    region: str = "cn-hangzhou"
    key: list[SeedKey] = []
    access_key: list[SeedAccessKey] = []
    policy: list[SeedPolicy] = []
    group: list[SeedGroup] = []
    user: list[SeedUser] = []


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


def _need(holds: object, path: str, reason: str) -> None:
    if not holds:
        raise _Wrong(path, reason)


def _check(seed: Seed) -> None:
    need = _need
    need(ACCOUNT.fits(seed.account), "$.account", f"an account is {ACCOUNT.words}")
    need(REGION.fits(seed.region), "$.region", _REGION)
    keys: set[tuple[str, str]] = set()
    versions: set[str] = set()
    names: set[tuple[str, str]] = set()
    for number, key in enumerate(seed.key):
        at, region = f"$.key[{number}]", key.region or seed.region
        need(_KEY_ID.match(key.id), f"{at}.id", "a key id is 1 to 64 letters, digits and hyphens")
        need((region, key.id) not in keys, f"{at}.id", "there is a key with this id already")
        need(REGION.fits(region), f"{at}.region", _REGION)
        need(
            len(key.description) <= DESCRIPTION_CHARACTERS,
            f"{at}.description",
            f"a description has at most {DESCRIPTION_CHARACTERS} characters",
        )
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
            valid = tags.valid_key(name) and tags.valid_value(value)
            need(valid, f"{at}.tags", f"a tag is {tags.KEY_WORDS}; its value may be empty")
        for name in key.aliases:
            need(
                aliases.well_formed(name),
                f"{at}.aliases",
                f"an alias is {aliases.NAME.words}",
            )
            need((region, name) not in names, f"{at}.aliases", f"{name} is there already")
            names.add((region, name))
        if key.policy:
            _check_document(key_document, key.policy, f"{at}.policy")
        for place, version in enumerate(key.version):
            here = f"{at}.version[{place}]"
            need(_UUID.match(version.id), f"{here}.id", "a version id is a UUID in lower case")
            need(version.id not in versions, f"{here}.id", "there is a version with this id already")
            versions.add(version.id)
            try:
                material_of(key, version)
            except ValueError as error:
                raise _Wrong(f"{here}.material", str(error)) from None
            except UnsupportedOperation:
                raise _Wrong(f"{at}.spec", "OpenSSL 3 with SM2 is not on this machine") from None
    access_keys = [(f"$.access_key[{number}]", one) for number, one in enumerate(seed.access_key)]
    for number, user in enumerate(seed.user):
        access_keys += [
            (f"$.user[{number}].access_key[{place}]", one) for place, one in enumerate(user.access_key)
        ]
    ids: set[str] = set()
    for at, one in access_keys:
        need(_ACCESS_KEY_ID.match(one.id), f"{at}.id", "an AccessKey id is 1 to 128 letters and digits")
        need(one.id not in ids, f"{at}.id", "there is an AccessKey with this id already")
        need(_SECRET.match(one.secret), f"{at}.secret", "a secret is 1 to 128 printable ASCII characters")
        ids.add(one.id)
    _check_identities(seed)


def _check_identities(seed: Seed) -> None:
    """As the operations of Ram do; the limits are theirs."""
    custom = [one.name for one in seed.policy]
    for number, policy in enumerate(seed.policy):
        at = f"$.policy[{number}]"
        _need(POLICY_NAME.fits(policy.name), f"{at}.name", f"a policy's name is {POLICY_NAME.words}")
        _need(policy.name not in SYSTEM_POLICIES, f"{at}.name", "the vendor has a policy of this name")
        _need(custom.index(policy.name) == number, f"{at}.name", "there is a policy of this name already")
        _need(
            len(policy.description) <= 1024, f"{at}.description", "a description has at most 1024 characters"
        )
        _check_document(identity_document, policy.document, f"{at}.document")

    def check_policies(names: list[str], at: str) -> None:
        for name in names:
            _need(name in custom or name in SYSTEM_POLICIES, at, f"there is no policy {name}")
        _need(len(set(names)) == len(names), at, "a policy is there twice")
        attached = sum(name in custom for name in names)
        _need(attached <= ATTACHED, at, f"at most {ATTACHED} policies of the file's are attached to one")

    groups = [one.name for one in seed.group]
    for number, group in enumerate(seed.group):
        at = f"$.group[{number}]"
        _need(GROUP_NAME.fits(group.name), f"{at}.name", f"a group's name is {GROUP_NAME.words}")
        _need(groups.index(group.name) == number, f"{at}.name", "there is a group of this name already")
        _need(len(group.comments) <= 128, f"{at}.comments", "comments have at most 128 characters")
        check_policies(group.policies, f"{at}.policies")
    users = [one.name for one in seed.user]
    for number, user in enumerate(seed.user):
        at = f"$.user[{number}]"
        _need(NAME.fits(user.name), f"{at}.name", f"a user's name is {NAME.words}")
        _need(users.index(user.name) == number, f"{at}.name", "there is a user of this name already")
        _need(
            len(user.display_name) <= 128, f"{at}.display_name", "a display name has at most 128 characters"
        )
        for name in user.groups:
            _need(name in groups, f"{at}.groups", f"there is no group {name}")
        _need(len(set(user.groups)) == len(user.groups), f"{at}.groups", "a group is there twice")
        _need(
            len(user.groups) <= GROUPS_OF_USER,
            f"{at}.groups",
            f"a user is in at most {GROUPS_OF_USER} groups",
        )
        _need(len(user.access_key) <= ACCESS_KEYS, at, f"a user has at most {ACCESS_KEYS} AccessKeys")
        check_policies(user.policies, f"{at}.policies")


def _check_document(read: Callable[[str], Document], text: str, path: str) -> None:
    try:
        read(text)
    except Malformed as error:
        raise _Wrong(path, str(error)) from None


def material_of(key: SeedKey, version: SeedVersion) -> bytes:
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
            for inner in [one for one in counts if one.startswith(f"{name}.")]:
                del counts[inner]
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
