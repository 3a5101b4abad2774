"""The types of parameters: each carries its limits, its wire form and what it means to the pipeline.

A limit is written once, here. A request declares its fields with these types; decoding, resources for authorization,
redaction, the command line and the reference pages follow from them.
"""

import base64
import binascii
import enum
import json
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from keystead.domain import aliases, rotation, tags
from keystead.domain.keys import KeyFilter
from keystead.errors import (
    AliasUnsupported,
    InvalidParameter,
    KmsError,
    UnsupportedOperation,
)

PLAINTEXT_BYTES: Final = 6144
DESCRIPTION_CHARACTERS: Final = 8192
CONTEXT_CHARACTERS: Final = 8192
PAGE_SIZE: Final = 100


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The parameters of one call. It shows its field names only: a field may be sensitive."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.__struct_fields__)}>"


class Reply(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The members of an answer, in their order on the wire; RequestId is added by the encoder."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.__struct_fields__)}>"


class Empty(Reply, frozen=True):
    """The answer of an operation that only has an effect."""


class Role(enum.Enum):
    """What a parameter points to; the pipeline finds it before the operation runs."""

    KEY = "key"  # id, alias, key ARN or alias ARN
    BLOB = "blob"  # a ciphertext, which names its key version
    SOURCE = "source"  # the same, beside a key that the operation is about
    ALIAS = "alias"  # an alias that exists
    NEW_ALIAS = "new alias"  # a name for an alias that does not exist yet


class KeyReference(msgspec.Struct, frozen=True):
    """A key as the client named it: by id or by alias, of whichever account and region the client's ARN says, if any."""

    key_id: str = ""
    alias: str = ""
    account: str = ""
    region: str = ""


class Param:
    """How one type of parameter is read: `parse(name, text)` gives its value or raises the refusal."""

    __slots__ = ("choices", "empty", "errors", "kind", "limits", "parse", "role", "sensitive")

    def __init__(
        self,
        kind: str,
        parse: Callable[[str, str], Any],
        *,
        limits: str = "",
        sensitive: bool = False,
        role: Role | None = None,
        choices: tuple[str, ...] = (),
        empty: bool = False,
        errors: tuple[type[KmsError], ...] = (),
    ) -> None:
        self.kind = kind
        self.parse = parse
        self.limits = limits
        self.sensitive = sensitive
        self.role = role
        self.choices = choices
        # Whether the empty text is a value; otherwise it means that the parameter is absent.
        self.empty = empty
        self.errors = errors  # refusals beside InvalidParameter


# --- keys and aliases


def _key_reference(name: str, text: str) -> KeyReference:
    account = region = ""
    resource = text
    if text.startswith("acs:"):
        parts = text.split(":", 4)
        if len(parts) != 5 or parts[1] != "kms" or not parts[2] or not parts[3]:
            raise InvalidParameter(name=name)
        region, account, resource = parts[2], parts[3], parts[4]
        if resource.startswith("key/"):
            resource = resource[4:]
        elif not aliases.is_alias(resource):
            raise InvalidParameter(name=name)
    if aliases.is_alias(resource):
        if not aliases.well_formed(resource):
            raise InvalidParameter(name=name)
        return KeyReference(alias=resource, account=account, region=region)
    if not 1 <= len(resource) <= 64 or not resource.replace("-", "").isalnum() or not resource.isascii():
        raise InvalidParameter(name=name)
    return KeyReference(key_id=resource, account=account, region=region)


def _key_without_alias(name: str, text: str) -> KeyReference:
    reference = _key_reference(name, text)
    if reference.alias:
        raise AliasUnsupported
    return reference


def _alias_name(name: str, text: str) -> str:
    if not aliases.valid_name(text):
        raise InvalidParameter(name=name)
    return text


# --- plain values


def _text(maximum: int) -> Callable[[str, str], str]:
    def parse(name: str, text: str) -> str:
        if len(text) > maximum:
            raise InvalidParameter(name=name)
        return text

    return parse


def _boolean(name: str, text: str) -> bool:
    # Python clients send True and False, all others true and false.
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise InvalidParameter(name=name)
    return lowered == "true"


def _integer(minimum: int, maximum: int) -> Callable[[str, str], int]:
    def parse(name: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and minimum <= int(text) <= maximum):
            raise InvalidParameter(name=name)
        return int(text)

    return parse


def _interval(name: str, text: str) -> int:
    try:
        return rotation.interval(text)
    except ValueError:
        raise InvalidParameter(name=name) from None


def _one_of(*choices: str, refuse: dict[str, type[KmsError]] | None = None) -> Callable[[str, str], str]:
    def parse(name: str, text: str) -> str:
        if refuse is not None and text in refuse:
            raise refuse[text]
        if text not in choices:
            raise InvalidParameter(name=name)
        return text

    return parse


def choice(*choices: str, refuse: dict[str, type[KmsError]] | None = None) -> Param:
    """One of these words, case-sensitive; `refuse` names words that exist but have a refusal of their own."""
    return Param(
        "String",
        _one_of(*choices, refuse=refuse),
        limits=" | ".join(choices),
        choices=choices,
        errors=tuple(refuse.values()) if refuse else (),
    )


def _absent(name: str, text: str) -> str:
    if text:
        raise UnsupportedOperation
    return text


# --- JSON in a parameter


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidParameter(name=name) from None


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _context(name: str, text: str) -> dict[str, str]:
    if len(text) > CONTEXT_CHARACTERS:
        raise InvalidParameter(name=name)
    if text in ("", "{}"):
        return {}
    context = _json(name, text)
    if not isinstance(context, dict) or not all(_proper(value) for value in context.values()):
        raise InvalidParameter(name=name)
    if not all(_proper(key) for key in context):
        raise InvalidParameter(name=name)
    return context


def _proper(value: object) -> bool:
    # A lone surrogate (from a \ud800 escape) has no UTF-8 form.
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _tags(name: str, text: str) -> dict[str, str]:
    rows = _json(name, text) if text else []
    found: dict[str, str] = {}
    if not isinstance(rows, list) or len(rows) > tags.MAXIMUM:
        raise InvalidParameter(name=name)
    for row in rows:
        if not isinstance(row, dict) or not {"TagKey"} <= row.keys() <= {"TagKey", "TagValue"}:
            raise InvalidParameter(name=name)
        key, value = row["TagKey"], row.get("TagValue", "")
        if not isinstance(key, str) or not isinstance(value, str) or key in found:
            raise InvalidParameter(name=name)
        if not tags.valid_key(key) or not tags.valid_value(value):
            raise InvalidParameter(name=name)
        found[key] = value
    return found


def _tag_keys(name: str, text: str) -> list[str]:
    keys = _json(name, text)
    if not isinstance(keys, list) or not 1 <= len(keys) <= tags.MAXIMUM:
        raise InvalidParameter(name=name)
    # Not `valid_key`: what is no key of any tag is none of this resource's, and removing it removes nothing.
    if not all(_proper(key) and 1 <= len(key) <= 128 for key in keys):
        raise InvalidParameter(name=name)
    return keys


_FACETS = {
    "KeyState": "states",
    "KeySpec": "specs",
    "KeyUsage": "usages",
    "Origin": "origins",
    "ProtectionLevel": "protections",
}


def _key_filter(name: str, text: str) -> KeyFilter:
    rows = _json(name, text) if text else []
    if not isinstance(rows, list):
        raise InvalidParameter(name=name)
    facets: dict[str, frozenset[str]] = {}
    for row in rows:
        if not isinstance(row, dict) or row.keys() != {"Key", "Values"} or not isinstance(row["Key"], str):
            raise InvalidParameter(name=name)
        facet = _FACETS.get(row["Key"])
        values: list[object] = row["Values"] if isinstance(row["Values"], list) else []
        wanted = frozenset(value for value in values if isinstance(value, str) and _proper(value))
        if facet is None or facet in facets or not wanted or len(wanted) != len(values):
            raise InvalidParameter(name=name)
        facets[facet] = wanted
    return KeyFilter(**facets)


# --- secrets of the caller


def _plaintext(name: str, text: str) -> bytes:
    """1 to 6144 bytes of UTF-8, or strict base64 of at most 6144 bytes; sealed as the text it is, never decoded."""
    raw = text.encode()
    if 1 <= len(raw) <= PLAINTEXT_BYTES:
        return raw
    try:
        decoded = base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParameter(name=name) from None
    if not 1 <= len(decoded) <= PLAINTEXT_BYTES or base64.b64encode(decoded) != raw:
        raise InvalidParameter(name=name)
    return raw


def _blob(name: str, text: str) -> str:
    return text


# fmt: off
KeyRef = Annotated[KeyReference, Param("String", _key_reference, limits="key id, alias, key ARN or alias ARN", role=Role.KEY)]
KeyIdRef = Annotated[KeyReference, Param("String", _key_without_alias, limits="key id or key ARN; not an alias", role=Role.KEY, errors=(AliasUnsupported,))]
AliasName = Annotated[str, Param("String", _alias_name, limits="`alias/` and 1 to 255 of A-Z a-z 0-9 - _ /; not `alias/acs…`", role=Role.ALIAS)]
NewAliasName = Annotated[str, Param("String", _alias_name, limits="`alias/` and 1 to 255 of A-Z a-z 0-9 - _ /; not `alias/acs…`", role=Role.NEW_ALIAS)]
CiphertextBlob = Annotated[str, Param("String", _blob, limits="base64 of a blob that this service made", role=Role.BLOB)]
SourceBlob = Annotated[str, Param("String", _blob, limits="base64 of a blob that this service made", role=Role.SOURCE)]
Plaintext = Annotated[bytes, Param("String", _plaintext, limits="1 to 6144 bytes of text, or base64 of at most 6144 bytes", sensitive=True)]
Context = Annotated[dict[str, str], Param("Map", _context, limits="JSON object of strings, at most 8192 characters")]
Description = Annotated[str, Param("String", _text(DESCRIPTION_CHARACTERS), limits="0 to 8192 characters", empty=True)]
TagKeys = Annotated[list[str], Param("String", _tag_keys, limits='JSON: ["key", …], 1 to 20')]
Tags = Annotated[dict[str, str], Param("String", _tags, limits='JSON: [{"TagKey": …, "TagValue": …}], at most 20; 1 to 128 characters each')]
KeyFilters = Annotated[KeyFilter, Param("String", _key_filter, limits='JSON: [{"Key": "KeyState", "Values": ["Enabled"]}]; keys: ' + ", ".join(_FACETS))]
Boolean = Annotated[bool, Param("Boolean", _boolean, limits="true | false")]
RotationInterval = Annotated[int, Param("String", _interval, limits="7 to 730 days, as 7d, 168h, 10080m or 604800s")]
VersionId = Annotated[str, Param("String", _text(64), limits="at most 64 characters")]
PageNumber = Annotated[int, Param("Integer", _integer(1, 2**31 - 1), limits="1 or more")]
PageSize = Annotated[int, Param("Integer", _integer(1, PAGE_SIZE), limits="1 to 100")]
PendingWindow = Annotated[int, Param("Integer", _integer(7, 366), limits="7 to 366 days")]
DataKeyBytes = Annotated[int, Param("Integer", _integer(1, 1024), limits="1 to 1024 bytes")]
InstanceId = Annotated[str, Param("String", _text(128), limits="at most 128 characters")]
Unsupported = Annotated[str, Param("String", _absent, limits="must be empty", sensitive=True, errors=(UnsupportedOperation,))]
# fmt: on
