"""The types of parameters: each carries its limits, its wire form and what it means to the pipeline.

A limit is written once, here. A request declares its fields with these types; decoding, resources for authorization,
redaction, the command line and the reference pages follow from them.
"""

from typing import Annotated, Any

import msgspec

from keystead.api import coerce
from keystead.api.coerce import KeyReference as KeyReference
from keystead.api.parameters import Param as Param
from keystead.api.parameters import Role as Role
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

    @classmethod
    def shape(cls) -> dict[str, Any]:
        """Each member that an answer may have, one element in each list, and an empty value of each type."""
        return {**_shape(msgspec.inspect.type_info(cls)), "RequestId": ""}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.__struct_fields__)}>"


def _shape(info: msgspec.inspect.Type) -> Any:
    match info:
        case msgspec.inspect.StructType():
            return {field.encode_name: _shape(field.type) for field in info.fields}
        case msgspec.inspect.ListType():
            return [_shape(info.item_type)]
        case msgspec.inspect.UnionType():
            return _shape(info.types[0])
        case msgspec.inspect.BoolType():
            return False
        case msgspec.inspect.IntType():
            return 0
        case _:
            return ""  # text, and bytes as base64


class Empty(Reply, frozen=True):
    """The answer of an operation that only has an effect."""


def choice(*choices: str, refuse: dict[str, type[KmsError]] | None = None) -> Param:
    """One of these words, case-sensitive; `refuse` names words that exist but have a refusal of their own."""
    rule = coerce.one_of(*choices, refuse=refuse)
    return Param("String", rule, errors=tuple(refuse.values()) if refuse else ())


# fmt: off
KeyRef = Annotated[KeyReference, Param("String", coerce.key_reference, role=Role.KEY)]
KeyIdRef = Annotated[KeyReference, Param("String", coerce.key_without_alias, role=Role.KEY, errors=(AliasUnsupported,))]
AliasName = Annotated[str, Param("String", coerce.alias_name, role=Role.ALIAS)]
NewAliasName = Annotated[str, Param("String", coerce.alias_name, role=Role.NEW_ALIAS)]
CiphertextBlob = Annotated[str, Param("String", coerce.blob, binary=True, role=Role.BLOB)]
SourceBlob = Annotated[str, Param("String", coerce.blob, binary=True, role=Role.SOURCE)]
Plaintext = Annotated[bytes, Param("String", coerce.plaintext, sensitive=True)]
Context = Annotated[dict[str, str], Param("Map", coerce.context)]
Description = Annotated[str, Param("String", coerce.text_up_to(coerce.DESCRIPTION_CHARACTERS), empty=True)]
TagKeys = Annotated[list[str], Param("String", coerce.tag_keys)]
ResourceIds = Annotated[tuple[KeyReference, ...], Param("Array", coerce.key_list, role=Role.KEYS, errors=(AliasUnsupported, ResourceIdNotFound))]
TagList = Annotated[dict[str, str], Param("Array", coerce.tag_list, errors=(TagKeyInvalid, TagValueInvalid, TagKeyDuplicate))]
TagFilter = Annotated[dict[str, str | None], Param("Array", coerce.tag_filter, errors=(TagKeyInvalid, TagValueInvalid, TagKeyDuplicate))]
TagKeyList = Annotated[list[str], Param("Array", coerce.tag_key_list)]
Region = Annotated[str, Param("String", coerce.REGION_ID)]
NextToken = Annotated[str, Param("String", coerce.text_up_to(64, "what the page before gave"))]
Tags = Annotated[dict[str, str], Param("String", coerce.tags_json)]
KeyFilters = Annotated[KeyFilter, Param("String", coerce.key_filter)]
Boolean = Annotated[bool, Param("Boolean", coerce.boolean)]
RotationInterval = Annotated[str, Param("String", coerce.ROTATION_INTERVAL)]
VersionId = Annotated[str, Param("String", coerce.text_up_to(64), role=Role.VERSION, errors=(KeyVersionNotFound,))]
SourceKeyRef = Annotated[KeyReference, Param("String", coerce.key_reference, role=Role.SOURCE_KEY)]
SourceVersionId = Annotated[str, Param("String", coerce.text_up_to(64), role=Role.SOURCE_VERSION)]
Bytes = Annotated[bytes, Param("String", coerce.strict_bytes, binary=True, sensitive=True)]
Digest = Annotated[bytes, Param("String", coerce.digest, binary=True)]
WrappingSpec = Annotated[str, choice(*IMPORTS)]
ImportWrapping = Annotated[str, choice(*names_in(IMPORTS))]
ExportWrapping = Annotated[str, choice(*names_in(EXPORTS))]
Encryption = Annotated[str, choice(*names_in(ENCRYPTIONS))]
Signature = Annotated[str, choice(*names_in(SIGNATURES))]
Policy = Annotated[str, Param("String", coerce.policy, sensitive=True)]
PolicyName = Annotated[str, Param("String", coerce.POLICY_NAME)]
ExpiryTime = Annotated[int, Param("Integer", coerce.integer(0, 253_402_300_799, "seconds since 1970, in the future; 0: never"))]
PageNumber = Annotated[int, Param("Integer", coerce.integer(1, 2**31 - 1))]
PageSize = Annotated[int, Param("Integer", coerce.integer(1, coerce.PAGE_SIZE))]
PendingWindow = Annotated[int, Param("Integer", coerce.integer(7, 366, "days"))]
DataKeyBytes = Annotated[int, Param("Integer", coerce.integer(1, 1024, "bytes"))]
InstanceId = Annotated[str, Param("String", coerce.text_up_to(128))]
Recipient = Annotated[str, Param("String", coerce.no_recipient, sensitive=True, errors=(AttestationUnsupported,))]
# fmt: on


class PageRequest(Request, frozen=True):
    """A request for one page of a listing."""

    page_number: PageNumber = 1
    page_size: PageSize = 10

    @property
    def offset(self) -> int:
        """How many rows come before the page."""
        return (self.page_number - 1) * self.page_size
