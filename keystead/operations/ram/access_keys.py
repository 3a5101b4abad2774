"""AccessKeys of RAM users: and of the account itself, where its root calls and names no user."""

from keystead.access.callers import CallerType
from keystead.api.access_keys import AccessKeyId, delete, new_access_key, set_status
from keystead.api.operation import Call, operation
from keystead.api.ram_lookup import find_user
from keystead.api.ram_types import Status, UserName
from keystead.api.wire_types import Empty, Reply, Request
from keystead.clock import iso8601
from keystead.domain.accounts import AccessKey
from keystead.domain.arns import access_key_arn
from keystead.domain.identities import ACCESS_KEYS
from keystead.domain.products import RAM
from keystead.errors import TooManyAccessKeys, UserAccessKeyNotFound, UserNotFound


def _owner(call: Call, name: str) -> str:
    """The id of the user that is named, or else of the one that calls; "" for the account itself."""
    if name or call.caller.type is CallerType.RAM_USER:
        return find_user(call, name or call.caller.session).user_id
    return ""


def _of(call: Call, user_id: str) -> list[AccessKey]:
    """Those that stay; the temporary ones are the operator's."""
    every = call.store.accounts.access_keys(call.account)
    return [one for one in every if one.user_id == user_id and not one.expires]


def _find(call: Call, user_id: str, access_key_id: str) -> AccessKey:
    for one in _of(call, user_id):
        if one.access_key_id == access_key_id:
            call.resources.append(access_key_arn(call.account, access_key_id))
            return one
    raise UserAccessKeyNotFound


class CreateAccessKeyRequest(Request, frozen=True):
    user_name: UserName = ""


class MadeAccessKey(Reply, frozen=True):
    access_key_id: str
    access_key_secret: str
    status: str
    create_date: str


class CreateAccessKeyReply(Reply, frozen=True):
    access_key: MadeAccessKey


@operation(changes=True, confirmed=True, product=RAM, errors=(TooManyAccessKeys, UserNotFound))
def create_access_key(call: Call, request: CreateAccessKeyRequest) -> CreateAccessKeyReply:
    """Make an AccessKey for a user; its secret is shown this once."""
    user_id = _owner(call, request.user_name)
    if user_id and len(_of(call, user_id)) >= ACCESS_KEYS:
        raise TooManyAccessKeys(limit=ACCESS_KEYS)
    access_key, secret = new_access_key(call, call.account, user_id=user_id)
    return CreateAccessKeyReply(
        access_key=MadeAccessKey(
            access_key_id=access_key.access_key_id,
            access_key_secret=secret,
            status=access_key.status,
            create_date=iso8601(access_key.created),
        )
    )


class ListAccessKeysRequest(Request, frozen=True):
    user_name: UserName = ""


class ListedAccessKey(Reply, frozen=True):
    access_key_id: str
    status: str
    create_date: str


class ListedAccessKeys(Reply, frozen=True):
    access_key: list[ListedAccessKey]


class ListAccessKeysReply(Reply, frozen=True):
    access_keys: ListedAccessKeys


@operation(product=RAM, errors=(UserNotFound,))
def list_access_keys(call: Call, request: ListAccessKeysRequest) -> ListAccessKeysReply:
    """List the AccessKeys of a user, oldest first, without their secrets."""
    rows = [
        ListedAccessKey(access_key_id=one.access_key_id, status=one.status, create_date=iso8601(one.created))
        for one in _of(call, _owner(call, request.user_name))
    ]
    return ListAccessKeysReply(access_keys=ListedAccessKeys(access_key=rows))


class UpdateAccessKeyRequest(Request, frozen=True):
    user_access_key_id: AccessKeyId
    status: Status
    user_name: UserName = ""


@operation(changes=True, confirmed=True, product=RAM, errors=(UserAccessKeyNotFound, UserNotFound))
def update_access_key(call: Call, request: UpdateAccessKeyRequest) -> Empty:
    """Activate or deactivate an AccessKey; once acknowledged, no later call is accepted with an inactive one."""
    found = _find(call, _owner(call, request.user_name), request.user_access_key_id)
    set_status(call, found, request.status)
    return Empty()


class DeleteAccessKeyRequest(Request, frozen=True):
    user_access_key_id: AccessKeyId
    user_name: UserName = ""


@operation(changes=True, confirmed=True, product=RAM, errors=(UserAccessKeyNotFound, UserNotFound))
def delete_access_key(call: Call, request: DeleteAccessKeyRequest) -> Empty:
    """Delete an AccessKey for good."""
    found = _find(call, _owner(call, request.user_name), request.user_access_key_id)
    delete(call, found)
    return Empty()


class GetAccessKeyLastUsedRequest(Request, frozen=True):
    user_access_key_id: AccessKeyId
    user_name: UserName = ""


class AccessKeyLastUsed(Reply, frozen=True):
    last_used_date: str


class GetAccessKeyLastUsedReply(Reply, frozen=True):
    access_key_last_used: AccessKeyLastUsed


@operation(product=RAM, errors=(UserAccessKeyNotFound, UserNotFound))
def get_access_key_last_used(call: Call, request: GetAccessKeyLastUsedRequest) -> GetAccessKeyLastUsedReply:
    """Show when an AccessKey was last used, to within five minutes; empty: never."""
    found = _find(call, _owner(call, request.user_name), request.user_access_key_id)
    used = iso8601(found.last_used) if found.last_used else ""
    return GetAccessKeyLastUsedReply(access_key_last_used=AccessKeyLastUsed(last_used_date=used))
