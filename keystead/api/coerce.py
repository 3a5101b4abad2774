"""How each type of parameter is read: from its text on the wire to its value, or a refusal. Limits stand here, once.

A rule is the function that reads, with what it admits in words: for reference pages, `--help` and hints.
"""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from keystead.access.documents import MAXIMUM_KEY_BYTES, Malformed, key_document
from keystead.api.parameters import BOOLEAN
from keystead.api.parameters import Rule as Rule
from keystead.domain import policies
from keystead.domain.encoding import from_base64
from keystead.domain.keys import aliases, rotation, tags
from keystead.domain.keys.key import KeyFilter
from keystead.errors import (
    AliasUnsupported,
    AttestationUnsupported,
    InvalidParameter,
    KeyPolicyMalformed,
    KmsError,
    TagKeyDuplicate,
    TagKeyInvalid,
    TagValueInvalid,
)
from keystead.forms import REGION, listed

T = TypeVar("T")

PLAINTEXT_BYTES: Final = 6144
DESCRIPTION_CHARACTERS: Final = 8192
CONTEXT_CHARACTERS: Final = 8192
DIGEST_BYTES: Final = 32
RESOURCES: Final = 50
PAGE_SIZE: Final = 100
FILTERS: Final = 10  # and values of each


class KeyReference(msgspec.Struct, frozen=True):
    """A key as the client named it: by id or by alias, of whichever account and region the client's ARN says, if any."""

    key_id: str = ""
    alias: str = ""
    account: str = ""
    region: str = ""


def rule(words: str) -> Callable[[Callable[[str, str], T]], Rule[T]]:
    """Make a rule of the function that reads, and these words."""
    return lambda parse: Rule(parse, words)


# --- keys and aliases

_BY_NAME = "a key's id or alias, or an ARN of either"


@rule(_BY_NAME)
def key_reference(name: str, text: str) -> KeyReference:
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


@rule("a key's id or key ARN, not an alias")
def key_without_alias(name: str, text: str) -> KeyReference:
    reference = key_reference.parse(name, text)
    if reference.alias:
        raise AliasUnsupported
    return reference


@rule(f"{aliases.NAME.words}; not beginning with {aliases.RESERVED}, which is for services")
def alias_name(name: str, text: str) -> str:
    if not aliases.valid_name(text):
        raise InvalidParameter(name=name)
    return text


# --- plain values


def text_up_to(maximum: int, what: str = "") -> Rule[str]:
    """At most so many characters; `what` says what else it should be, where the operation decides that."""

    def parse(name: str, text: str) -> str:
        if len(text) > maximum:
            raise InvalidParameter(name=name)
        return text

    return Rule(parse, what or f"at most {maximum} characters")


@rule(BOOLEAN)
def boolean(name: str, text: str) -> bool:
    # Python clients send True and False, all others true and false.
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise InvalidParameter(name=name)
    return lowered == "true"


def integer(minimum: int, maximum: int, unit: str = "") -> Rule[int]:
    """A whole number from minimum to maximum; `unit` is what it counts."""

    def parse(name: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and minimum <= int(text) <= maximum):
            raise InvalidParameter(name=name)
        return int(text)

    return Rule(parse, f"{minimum} to {maximum} {unit}".rstrip())


def one_of(*choices: str, refuse: dict[str, type[KmsError]] | None = None) -> Rule[str]:
    """One of these words, case-sensitive; `refuse` names words that exist but have a refusal of their own."""

    def parse(name: str, text: str) -> str:
        if refuse is not None and text in refuse:
            raise refuse[text]
        if text not in choices:
            raise InvalidParameter(name=name)
        return text

    return Rule(parse, listed(choices), choices)


@rule("empty: there is no attested delivery")
def no_recipient(name: str, text: str) -> str:
    if text:
        raise AttestationUnsupported
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


@rule(f"a JSON object of strings, at most {CONTEXT_CHARACTERS} characters")
def context(name: str, text: str) -> dict[str, str]:
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


@rule(
    f'JSON as [{{"TagKey": "a", "TagValue": "b"}}], at most {tags.MAXIMUM}; a key is {tags.KEY_WORDS}; a value may be empty'
)
def tags_json(name: str, text: str) -> dict[str, str]:
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


def rows_up_to(maximum: int, name: str, text: str) -> list[Any]:
    """1 to `maximum` members of `Name.1`, `Name.2`, …, in order; InvalidParameter for none or more."""
    # The decoder has made this JSON of `Name.1`, `Name.2`, …
    rows = json.loads(text)
    if not isinstance(rows, list) or not 1 <= len(rows) <= maximum:
        raise InvalidParameter(name=name)
    return rows


@rule(f"1 to {RESOURCES} key ids or key ARNs, each once, as ResourceId.1, ResourceId.2, …")
def key_list(name: str, text: str) -> tuple[KeyReference, ...]:
    rows = rows_up_to(RESOURCES, name, text)
    if not all(isinstance(row, str) for row in rows) or len(set(rows)) != len(rows):
        raise InvalidParameter(name=name)
    return tuple(key_without_alias.parse(name, row) for row in rows)


_AS_TAGS = f"1 to {tags.MAXIMUM} tags, each once, as Tag.1.Key and Tag.1.Value, …; a key is {tags.KEY_WORDS}"


@rule(f"{_AS_TAGS}; a value may be empty")
def tag_list(name: str, text: str) -> dict[str, str]:
    return {key: value or "" for key, value in tag_filter.parse(name, text).items()}


@rule(f"{_AS_TAGS}; without a value: any")
def tag_filter(name: str, text: str) -> dict[str, str | None]:
    """Tags that are looked for; a value that is not given stands for any."""
    found: dict[str, str | None] = {}
    for row in rows_up_to(tags.MAXIMUM, name, text):
        if not isinstance(row, dict) or not row.keys() <= {"Key", "Value"}:
            raise InvalidParameter(name=name)
        key, value = row.get("Key", ""), row.get("Value")
        if not tags.valid_key(key):
            raise TagKeyInvalid
        if value is not None and not tags.valid_value(value):
            raise TagValueInvalid
        if key in found:
            raise TagKeyDuplicate
        found[key] = value
    return found


@rule(f"1 to {tags.MAXIMUM} keys of tags, as TagKey.1, TagKey.2, …")
def tag_key_list(name: str, text: str) -> list[str]:
    return tag_keys.parse(name, json.dumps(rows_up_to(tags.MAXIMUM, name, text)))


@rule(f'JSON as ["a", "b"], 1 to {tags.MAXIMUM} keys of tags')
def tag_keys(name: str, text: str) -> list[str]:
    keys = _json(name, text)
    if not isinstance(keys, list) or not 1 <= len(keys) <= tags.MAXIMUM:
        raise InvalidParameter(name=name)
    # Not `valid_key`: what is no key of any tag is none of this resource's, and removing it removes nothing.
    if not all(isinstance(key, str) and _proper(key) and 1 <= len(key) <= 128 for key in keys):
        raise InvalidParameter(name=name)
    return keys


FACETS = {
    "KeyState": "states",
    "KeySpec": "specs",
    "KeyUsage": "usages",
    "ProtectionLevel": "protections",
    "CreatorType": "creator_types",
    "DKMSInstanceId": "instances",
    "keyId": "ids",
    "AliasName": "aliases",
    "Creator": "creators",
    "TagKey": "tag_keys",
    "TagValue": "tag_values",
    "Origin": "origins",
}


@rule(
    f'JSON as [{{"Key": "KeyState", "Values": ["Enabled"]}}], at most {FILTERS} of at most {FILTERS} values; keys: '
    + ", ".join(FACETS)
)
def key_filter(name: str, text: str) -> KeyFilter:
    """Rows of different keys must all hold, of the values of one key any; no values mean all."""
    rows = _json(name, text) if text else []
    if not isinstance(rows, list) or len(rows) > FILTERS:
        raise InvalidParameter(name=name)
    facets: dict[str, frozenset[str]] = {}
    for row in rows:
        if not isinstance(row, dict) or row.keys() != {"Key", "Values"}:
            raise InvalidParameter(name=name)
        facet = FACETS.get(row["Key"]) if isinstance(row["Key"], str) else None
        values = row["Values"]
        if facet is None or not isinstance(values, list) or len(values) > FILTERS:
            raise InvalidParameter(name=name)
        if not all(_proper(value) for value in values):
            raise InvalidParameter(name=name)
        facets[facet] = facets.get(facet, frozenset()) | frozenset(values)
    return KeyFilter(**facets)


# --- secrets of the caller


@rule(f"1 to {PLAINTEXT_BYTES} bytes of text, or base64 of at most {PLAINTEXT_BYTES} bytes")
def plaintext(name: str, text: str) -> bytes:
    """1 to 6144 bytes of UTF-8, or strict base64 of at most 6144 bytes; sealed as the text it is, never decoded."""
    raw = text.encode()
    if 1 <= len(raw) <= PLAINTEXT_BYTES:
        return raw
    strict_bytes.parse(name, text)
    return raw


@rule(f"base64 of 1 to {PLAINTEXT_BYTES} bytes")
def strict_bytes(name: str, text: str) -> bytes:
    """Strict base64: of a message, a ciphertext, a signature, a wrapped or a public key."""
    try:
        decoded = from_base64(text)
    except ValueError:
        raise InvalidParameter(name=name) from None
    if not 1 <= len(decoded) <= PLAINTEXT_BYTES:
        raise InvalidParameter(name=name)
    return decoded


@rule(f"base64 of {DIGEST_BYTES} bytes")
def digest(name: str, text: str) -> bytes:
    digest = strict_bytes.parse(name, text)
    if len(digest) != DIGEST_BYTES:
        raise InvalidParameter(name=name)
    return digest


@rule(f"JSON: a policy document, at most {MAXIMUM_KEY_BYTES} bytes")
def policy(name: str, text: str) -> str:
    try:
        key_document(text)
    except Malformed as error:
        raise KeyPolicyMalformed(name=name, reason=f"{error}.") from None
    return text


@rule("base64 of a ciphertext that this service made")
def blob(name: str, text: str) -> str:
    return text  # the pipeline looks at it when it looks for its key


# --- what the operation decides

ROTATION_INTERVAL: Final = text_up_to(64, f"{rotation.WORDS}; ignored without EnableAutomaticRotation")
POLICY_NAME: Final = text_up_to(64, f"{policies.NAME}: a key has one policy")
REGION_ID: Final = text_up_to(32, REGION.words)
