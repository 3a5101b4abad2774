"""AccessKeys of accounts: the operator's means to replace or revoke one; not reachable over the network."""

from typing import Annotated

import msgspec

from keystead.api.access_keys import AccessKeyId, AccountId, account_of, delete, new_access_key, set_status
from keystead.api.coerce import integer, text_up_to
from keystead.api.operation import Call, operation
from keystead.api.ram_lookup import find_user
from keystead.api.ram_types import Status, UserName
from keystead.api.wire_types import Empty, Param, Reply, Request
from keystead.clock import iso8601
from keystead.domain.accounts import AccessKey
from keystead.domain.arns import access_key_arn
from keystead.domain.identities import User
from keystead.domain.products import KEYSTEAD
from keystead.errors import AccessKeyNotFound, UserNotFound

Description = Annotated[str, Param("String", text_up_to(256))]
Duration = Annotated[int, Param("Integer", integer(60, 43_200, "seconds"))]


class CreateAccessKeyRequest(Request, frozen=True):
    description: Description = ""
    account_id: AccountId = ""


class CreatedAccessKey(Reply, frozen=True):
    access_key_id: str
    access_key_secret: str
    status: str
    create_date: str
    description: str
    creator: str


class CreateAccessKeyReply(Reply, frozen=True):
    access_key: CreatedAccessKey


@operation(changes=True, product=KEYSTEAD)
def create_access_key(call: Call, request: CreateAccessKeyRequest) -> CreateAccessKeyReply:
    """Make an AccessKey for an account itself; its secret is shown this once."""
    access_key, secret = new_access_key(
        call, account_of(call, request.account_id), description=request.description
    )
    return CreateAccessKeyReply(
        access_key=CreatedAccessKey(
            access_key_id=access_key.access_key_id,
            access_key_secret=secret,
            status=access_key.status,
            create_date=iso8601(access_key.created),
            description=access_key.description,
            creator=access_key.creator,
        )
    )


class ListAccessKeysRequest(Request, frozen=True):
    account_id: AccountId = ""


class ListedAccessKey(Reply, frozen=True):
    access_key_id: str
    status: str
    create_date: str
    description: str
    creator: str
    last_used_date: str  # to within five minutes; empty: never
    user_name: str  # empty: the account itself
    expire_date: str  # of a temporary one


class ListedAccessKeys(Reply, frozen=True):
    access_key: list[ListedAccessKey]


class ListAccessKeysReply(Reply, frozen=True):
    access_keys: ListedAccessKeys


@operation(product=KEYSTEAD)
def list_access_keys(call: Call, request: ListAccessKeysRequest) -> ListAccessKeysReply:
    """List the AccessKeys of an account and of its users, oldest first, without their secrets."""
    account = account_of(call, request.account_id)
    names = {user.user_id: user.name for user in call.store.identities.all(User, account)}
    rows = [
        ListedAccessKey(
            access_key_id=one.access_key_id,
            status=one.status,
            create_date=iso8601(one.created),
            description=one.description,
            creator=one.creator,
            last_used_date=iso8601(one.last_used) if one.last_used else "",
            user_name=names.get(one.user_id, ""),
            expire_date=iso8601(one.expires) if one.expires else "",
        )
        for one in call.store.accounts.access_keys(account)
    ]
    return ListAccessKeysReply(access_keys=ListedAccessKeys(access_key=rows))


class UpdateAccessKeyRequest(Request, frozen=True):
    access_key_id: AccessKeyId
    status: Status


@operation(changes=True, product=KEYSTEAD, errors=(AccessKeyNotFound,))
def update_access_key(call: Call, request: UpdateAccessKeyRequest) -> Empty:
    """Activate or deactivate an AccessKey; once acknowledged, no later call is accepted with an inactive one."""
    set_status(call, _find(call, request.access_key_id), request.status)
    return Empty()


class DeleteAccessKeyRequest(Request, frozen=True):
    access_key_id: AccessKeyId


@operation(changes=True, product=KEYSTEAD, errors=(AccessKeyNotFound,))
def delete_access_key(call: Call, request: DeleteAccessKeyRequest) -> Empty:
    """Delete an AccessKey for good."""
    delete(call, _find(call, request.access_key_id))
    return Empty()


class CreateTemporaryAccessKeyRequest(Request, frozen=True):
    user_name: UserName
    duration_seconds: Duration = 3600
    account_id: AccountId = ""


class TemporaryAccessKey(Reply, frozen=True):
    access_key_id: str
    access_key_secret: str
    expire_date: str


class CreateTemporaryAccessKeyReply(Reply, frozen=True):
    access_key: TemporaryAccessKey


@operation(changes=True, product=KEYSTEAD, errors=(UserNotFound,))
def create_temporary_access_key(
    call: Call, request: CreateTemporaryAccessKeyRequest
) -> CreateTemporaryAccessKeyReply:
    """Make an AccessKey of a RAM user for some time, beside the two that it may have; its secret is shown this once."""
    account = account_of(call, request.account_id)
    user = find_user(call, request.user_name, account)
    access_key, secret = new_access_key(
        call,
        account,
        user_id=user.user_id,
        description="temporary",
        seconds=request.duration_seconds,
    )
    return CreateTemporaryAccessKeyReply(
        access_key=TemporaryAccessKey(
            access_key_id=access_key.access_key_id,
            access_key_secret=secret,
            expire_date=iso8601(access_key.expires),
        )
    )


class ExtendTemporaryAccessKeyRequest(Request, frozen=True):
    access_key_id: AccessKeyId
    duration_seconds: Duration = 3600


@operation(changes=True, product=KEYSTEAD, errors=(AccessKeyNotFound,))
def extend_temporary_access_key(call: Call, request: ExtendTemporaryAccessKeyRequest) -> Empty:
    """Let a temporary AccessKey be there for so long from now on."""
    access_key = _find(call, request.access_key_id)
    if not access_key.expires or access_key.gone(call.now):
        raise AccessKeyNotFound
    call.store.accounts.put_access_key(
        msgspec.structs.replace(access_key, expires=call.now + request.duration_seconds)
    )
    return Empty()


def _find(call: Call, access_key_id: str) -> AccessKey:
    access_key = call.store.accounts.access_key(access_key_id)
    if access_key is None:
        raise AccessKeyNotFound
    call.resources.append(access_key_arn(access_key.account, access_key_id))
    return access_key
