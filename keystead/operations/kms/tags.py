"""Tags of keys: labels for the user's own order, and later for policies."""

from typing import Annotated

from keystead.api.operation import Call, KeyCall, key_operation, operation
from keystead.api.wire_types import (
    Boolean,
    Empty,
    KeyIdRef,
    KeyReference,
    NextToken,
    Region,
    Reply,
    Request,
    ResourceIds,
    TagFilter,
    TagKeyList,
    TagKeys,
    TagList,
    Tags,
    choice,
)
from keystead.domain.keys.key import Key
from keystead.domain.keys.lifecycle import Gate
from keystead.domain.keys.tags import MAXIMUM, fit
from keystead.errors import InvalidParameter, MissingParameter

ResourceType = Annotated[str, choice("key")]
_PAGE = 50  # keys


def _add(call: Call, key: Key, tags: dict[str, str], name: str) -> None:
    found = call.store.keys.tags(*key.place) | tags
    if len(found) > MAXIMUM:
        raise InvalidParameter(name=name)
    call.store.keys.put_tags(*key.place, found)


def _remove(call: Call, key: Key, names: list[str]) -> None:
    found = call.store.keys.tags(*key.place)
    call.store.keys.put_tags(*key.place, {name: found[name] for name in found if name not in names})


class TagResourceRequest(Request, frozen=True):
    tags: Tags
    key_id: KeyIdRef = KeyReference()


@key_operation(gate=Gate.EDIT, changes=True)
def tag_resource(call: KeyCall, request: TagResourceRequest) -> Empty:
    """Add tags to a key; a tag of the same name gets the new value."""
    if not request.tags:
        raise InvalidParameter(name="Tags")
    _add(call, call.key, request.tags, "Tags")
    return Empty()


class UntagResourceRequest(Request, frozen=True):
    tag_keys: TagKeys
    key_id: KeyIdRef = KeyReference()


@key_operation(gate=Gate.EDIT, changes=True)
def untag_resource(call: KeyCall, request: UntagResourceRequest) -> Empty:
    """Remove tags from a key; names that it does not have are passed by."""
    _remove(call, call.key, request.tag_keys)
    return Empty()


class ListResourceTagsRequest(Request, frozen=True):
    key_id: KeyIdRef


class ShownTag(Reply, frozen=True):
    key_id: str
    tag_key: str
    tag_value: str


class ShownTags(Reply, frozen=True):
    tag: list[ShownTag]


class ListResourceTagsReply(Reply, frozen=True):
    tags: ShownTags


@key_operation(gate=Gate.ANY)
def list_resource_tags(call: KeyCall, request: ListResourceTagsRequest) -> ListResourceTagsReply:
    """List the tags of a key by name."""
    key_id = call.key.key_id
    tags = call.store.keys.tags(*call.key.place)
    rows = [ShownTag(key_id=key_id, tag_key=name, tag_value=value) for name, value in tags.items()]
    return ListResourceTagsReply(tags=ShownTags(tag=rows))


class TagResourcesRequest(Request, frozen=True):
    region_id: Region
    resource_type: ResourceType
    resource_id: ResourceIds
    tag: TagList


@operation(gate=Gate.EDIT, changes=True)
def tag_resources(call: Call, request: TagResourcesRequest) -> Empty:
    """Add tags to several keys: to all of them or to none."""
    for key in call.keys:
        _add(call, key, request.tag, "Tag")
    return Empty()


class UntagResourcesRequest(Request, frozen=True):
    region_id: Region
    resource_type: ResourceType
    resource_id: ResourceIds
    tag_key: TagKeyList = []
    all: Boolean = False


@operation(gate=Gate.EDIT, changes=True, errors=(MissingParameter,))
def untag_resources(call: Call, request: UntagResourcesRequest) -> Empty:
    """Remove the named tags, or with All every tag, from several keys."""
    if not request.tag_key and not request.all:
        raise MissingParameter(name="TagKey")
    for key in call.keys:
        _remove(call, key, request.tag_key or list(call.store.keys.tags(*key.place)))
    return Empty()


class ListTagResourcesRequest(Request, frozen=True):
    region_id: Region
    resource_type: ResourceType
    resource_id: ResourceIds = ()
    tag: TagFilter = {}
    next_token: NextToken = ""


class ShownTagResource(Reply, frozen=True):
    resource_id: str
    resource_type: str
    tag_key: str
    tag_value: str


class ShownTagResources(Reply, frozen=True):
    tag_resource: list[ShownTagResource]


class ListTagResourcesReply(Reply, frozen=True):
    next_token: str
    tag_resources: ShownTagResources


@operation(container="key")
def list_tag_resources(call: Call, request: ListTagResourcesRequest) -> ListTagResourcesReply:
    """List the tags of the named keys, of those that have all the named tags, or of all; by key id, a page at a time.

    NextToken is empty when there is no more.
    """
    keys = call.store.keys
    if request.resource_id:
        named = sorted(key.key_id for key in call.keys if key.key_id > request.next_token)
        tags_of = {key_id: keys.tags(call.account, call.region, key_id) for key_id in named}
        found = [key_id for key_id, tags in tags_of.items() if tags and fit(tags, request.tag)]
    else:
        found = list(keys.tagged(call.account, call.region, request.tag, request.next_token, _PAGE + 1))
    rows = [
        ShownTagResource(resource_id=key_id, resource_type="key", tag_key=name, tag_value=value)
        for key_id in found[:_PAGE]
        for name, value in keys.tags(call.account, call.region, key_id).items()
    ]
    return ListTagResourcesReply(
        tag_resources=ShownTagResources(tag_resource=rows),
        next_token=found[_PAGE - 1] if len(found) > _PAGE else "",
    )
