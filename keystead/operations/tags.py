"""Tags of keys: labels for the user's own order, and later for policies."""

from keystead.api.operation import KeyCall, key_operation
from keystead.api.wire import Empty, KeyIdRef, KeyReference, Reply, Request, TagKeys, Tags
from keystead.domain.lifecycle import Gate
from keystead.domain.tags import MAXIMUM
from keystead.errors import InvalidParameter


class TagResourceRequest(Request, frozen=True):
    tags: Tags
    key_id: KeyIdRef = KeyReference()


@key_operation(gate=Gate.EDIT, changes=True)
def tag_resource(call: KeyCall, request: TagResourceRequest) -> Empty:
    """Add tags to a key; a tag of the same name gets the new value."""
    place = (call.key.account, call.key.region, call.key.key_id)
    tags = call.store.keys.tags(*place) | request.tags
    if len(tags) > MAXIMUM:
        raise InvalidParameter(name="Tags")
    call.store.keys.put_tags(*place, tags)
    return Empty()


class UntagResourceRequest(Request, frozen=True):
    tag_keys: TagKeys
    key_id: KeyIdRef = KeyReference()


@key_operation(gate=Gate.EDIT, changes=True)
def untag_resource(call: KeyCall, request: UntagResourceRequest) -> Empty:
    """Remove tags from a key; names that it does not have are passed by."""
    place = (call.key.account, call.key.region, call.key.key_id)
    tags = call.store.keys.tags(*place)
    left = {name: value for name, value in tags.items() if name not in request.tag_keys}
    call.store.keys.put_tags(*place, left)
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
    tags = call.store.keys.tags(call.key.account, call.key.region, key_id)
    rows = [ShownTag(key_id=key_id, tag_key=name, tag_value=value) for name, value in tags.items()]
    return ListResourceTagsReply(tags=ShownTags(tag=rows))
