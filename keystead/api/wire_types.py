"""The types of parameters: each carries its limits, its wire form and what it means to the pipeline.

A limit is written once, here. A request declares its fields with these types; decoding, resources for authorization,
redaction, the command line and the reference pages follow from them.
"""

import enum
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from keystead.api import coerce
from keystead.api.coerce import KeyReference as KeyReference
from keystead.domain.keys.algorithms import ENCRYPTIONS, EXPORTS, IMPORTS, SIGNATURES, names_in
from keystead.domain.keys.key import KeyFilter
from keystead.errors import (
    AliasUnsupported,
    AttestationUnsupported,
    KeyVersionNotFound,
    KmsError,
    ResourceIdNotFound,
    TagKeyDuplicate,
    TagKeyInvalid,
    TagValueInvalid,
)


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The parameters of one call. It shows its field names only: a field may be sensitive."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.__struct_fields__)}>"


class Reply(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The members of an answer, in their order on the wire; bytes go as base64, and RequestId is added by the encoder."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.__struct_fields__)}>"


class Empty(Reply, frozen=True):
    """The answer of an operation that only has an effect."""


class Role(enum.Enum):
    """What a parameter points to; the pipeline finds it before the operation runs."""

    KEY = "key"  # id, alias, key ARN or alias ARN
    KEYS = "keys"  # several keys, by id or key ARN
    BLOB = "blob"  # a ciphertext, which names its key version
    VERSION = "version"  # a version of that key
    SOURCE_KEY = "source key"  # the key of a ciphertext, optional where that names it
    SOURCE_VERSION = "source version"  # the version of that key
    SOURCE = "source"  # a ciphertext beside a key that the operation is about
    ALIAS = "alias"  # an alias that exists
    NEW_ALIAS = "new alias"  # a name for an alias that does not exist yet
    USER = "user"  # of Ram, by name, whether it exists or not; none: the caller
    GROUP = "group"  # of Ram, likewise
    POLICY = "policy"  # of Ram, likewise


class Param:
    """How one type of parameter is read: `parse(name, text)` gives its value or raises the refusal."""

    __slots__ = ("binary", "choices", "empty", "errors", "kind", "limits", "parse", "role", "sensitive")

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
        binary: bool = False,
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
        self.binary = binary  # base64, and nothing else
        self.errors = errors  # refusals beside InvalidParameter


def choice(*choices: str, refuse: dict[str, type[KmsError]] | None = None) -> Param:
    """One of these words, case-sensitive; `refuse` names words that exist but have a refusal of their own."""
    return Param(
        "String",
        coerce.one_of(*choices, refuse=refuse),
        limits=" | ".join(choices),
        choices=choices,
        errors=tuple(refuse.values()) if refuse else (),
    )


# fmt: off
KeyRef = Annotated[KeyReference, Param("String", coerce.key_reference, limits="key id, alias, key ARN or alias ARN", role=Role.KEY)]
KeyIdRef = Annotated[KeyReference, Param("String", coerce.key_without_alias, limits="key id or key ARN; not an alias", role=Role.KEY, errors=(AliasUnsupported,))]
AliasName = Annotated[str, Param("String", coerce.alias_name, limits="`alias/` and 1 to 255 of A-Z a-z 0-9 - _ /; not `alias/acs…`", role=Role.ALIAS)]
NewAliasName = Annotated[str, Param("String", coerce.alias_name, limits="`alias/` and 1 to 255 of A-Z a-z 0-9 - _ /; not `alias/acs…`", role=Role.NEW_ALIAS)]
CiphertextBlob = Annotated[str, Param("String", coerce.as_it_is, binary=True, limits="base64 of a blob that this service made", role=Role.BLOB)]
SourceBlob = Annotated[str, Param("String", coerce.as_it_is, binary=True, limits="base64 of a blob that this service made", role=Role.SOURCE)]
Plaintext = Annotated[bytes, Param("String", coerce.plaintext, limits="1 to 6144 bytes of text, or base64 of at most 6144 bytes", sensitive=True)]
Context = Annotated[dict[str, str], Param("Map", coerce.context, limits="JSON object of strings, at most 8192 characters")]
Description = Annotated[str, Param("String", coerce.text_up_to(coerce.DESCRIPTION_CHARACTERS), limits="0 to 8192 characters", empty=True)]
TagKeys = Annotated[list[str], Param("String", coerce.tag_keys, limits='JSON: ["key", …], 1 to 20')]
ResourceIds = Annotated[tuple[KeyReference, ...], Param("Array", coerce.key_list, limits="1 to 50 key ids or key ARNs, as ResourceId.1, …", role=Role.KEYS, errors=(AliasUnsupported, ResourceIdNotFound))]
TagList = Annotated[dict[str, str], Param("Array", coerce.tag_list, limits="1 to 20 tags, as Tag.1.Key and Tag.1.Value, …; 1 to 128 characters each", errors=(TagKeyInvalid, TagValueInvalid, TagKeyDuplicate))]
TagFilter = Annotated[dict[str, str | None], Param("Array", coerce.tag_filter, limits="1 to 20 tags, as Tag.1.Key and Tag.1.Value, …; without a value: any", errors=(TagKeyInvalid, TagValueInvalid, TagKeyDuplicate))]
TagKeyList = Annotated[list[str], Param("Array", coerce.tag_key_list, limits="1 to 20 keys, as TagKey.1, …")]
Region = Annotated[str, Param("String", coerce.text_up_to(32), limits="a region's id")]
NextToken = Annotated[str, Param("String", coerce.text_up_to(64), limits="what the page before gave")]
Tags = Annotated[dict[str, str], Param("String", coerce.tags_json, limits='JSON: [{"TagKey": …, "TagValue": …}], at most 20; 1 to 128 characters each')]
KeyFilters = Annotated[KeyFilter, Param("String", coerce.key_filter, limits='JSON: [{"Key": "KeyState", "Values": ["Enabled"]}], 0 to 10 of 0 to 10 values; keys: ' + ", ".join(coerce.FACETS))]
Boolean = Annotated[bool, Param("Boolean", coerce.boolean, limits="true | false")]
RotationInterval = Annotated[str, Param("String", coerce.text_up_to(64), limits="7 to 730 days, as 7d, 168h, 10080m or 604800s; ignored without EnableAutomaticRotation")]
VersionId = Annotated[str, Param("String", coerce.text_up_to(64), limits="at most 64 characters", role=Role.VERSION, errors=(KeyVersionNotFound,))]
SourceKeyRef = Annotated[KeyReference, Param("String", coerce.key_reference, limits="key id, alias, key ARN or alias ARN", role=Role.SOURCE_KEY)]
SourceVersionId = Annotated[str, Param("String", coerce.text_up_to(64), limits="at most 64 characters", role=Role.SOURCE_VERSION)]
Bytes = Annotated[bytes, Param("String", coerce.strict_bytes, binary=True, limits="base64 of 1 to 6144 bytes", sensitive=True)]
Digest = Annotated[bytes, Param("String", coerce.digest, binary=True, limits="base64 of 32 bytes")]
WrappingSpec = Annotated[str, choice(*IMPORTS)]
ImportWrapping = Annotated[str, choice(*names_in(IMPORTS))]
ExportWrapping = Annotated[str, choice(*names_in(EXPORTS))]
Encryption = Annotated[str, choice(*names_in(ENCRYPTIONS))]
Signature = Annotated[str, choice(*names_in(SIGNATURES))]
Policy = Annotated[str, Param("String", coerce.policy, limits="JSON: a policy document, at most 32768 bytes", sensitive=True)]
PolicyName = Annotated[str, Param("String", coerce.text_up_to(64), limits="default")]
ExpiryTime = Annotated[int, Param("Integer", coerce.integer(0, 253_402_300_799), limits="seconds since 1970; 0: never")]
PageNumber = Annotated[int, Param("Integer", coerce.integer(1, 2**31 - 1), limits="1 or more")]
PageSize = Annotated[int, Param("Integer", coerce.integer(1, coerce.PAGE_SIZE), limits="1 to 100")]
PendingWindow = Annotated[int, Param("Integer", coerce.integer(7, 366), limits="7 to 366 days")]
DataKeyBytes = Annotated[int, Param("Integer", coerce.integer(1, 1024), limits="1 to 1024 bytes")]
InstanceId = Annotated[str, Param("String", coerce.text_up_to(128), limits="at most 128 characters")]
Recipient = Annotated[str, Param("String", coerce.no_recipient, limits="must be empty: there is no attested delivery", sensitive=True, errors=(AttestationUnsupported,))]
# fmt: on


class PageRequest(Request, frozen=True):
    """A request for one page of a listing."""

    page_number: PageNumber = 1
    page_size: PageSize = 10

    @property
    def offset(self) -> int:
        """How many rows come before the page."""
        return (self.page_number - 1) * self.page_size
