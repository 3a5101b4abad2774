"""Users of keys: who in the account may do what with one, as far as that can be said before they ask."""

from typing import Annotated

from keystead.access.decisions import Policy, PolicyType, identity_grounds, key_grounds, prospect
from keystead.api.coerce import integer, text_up_to
from keystead.api.needs import Need
from keystead.api.operation import CATALOGUE, KeyCall, key_operation
from keystead.api.principals import Principals, compiled_of_key
from keystead.api.wire_types import KeyIdRef, Param, Reply, Request
from keystead.domain import policies
from keystead.domain.arns import key_arn, ram_arn
from keystead.domain.identities import User
from keystead.domain.keys.algorithms import Use, good
from keystead.domain.keys.key import Key
from keystead.domain.keys.lifecycle import Gate
from keystead.domain.products import CONSOLE, KMS
from keystead.errors import RamNoPermission

USERS = 50  # on one page

# What is asked about: of the uses those that the key is good for, then what changes what becomes of it.
_USES = (
    "Encrypt", "Decrypt", "GenerateDataKey", "AsymmetricEncrypt", "AsymmetricDecrypt", "AsymmetricSign",
    "AsymmetricVerify", "GenerateMac", "VerifyMac",
)  # fmt: skip
_MANAGEMENT = ("DisableKey", "ScheduleKeyDeletion", "SetKeyPolicy")

Marker = Annotated[str, Param("String", text_up_to(128, "what the page before gave"))]
MaxItems = Annotated[int, Param("Integer", integer(1, USERS))]


class ListKeyUsersRequest(Request, frozen=True):
    key_id: KeyIdRef
    marker: Marker = ""
    max_items: MaxItems = USERS


class Right(Reply, frozen=True):
    action: str
    prospect: str


class Rights(Reply, frozen=True):
    right: list[Right]


class KeyUser(Reply, frozen=True):
    user_name: str
    rights: Rights


class KeyUsers(Reply, frozen=True):
    user: list[KeyUser]


class ListKeyUsersReply(Reply, frozen=True):
    users: KeyUsers
    is_truncated: bool
    marker: str = ""


@key_operation(gate=Gate.ANY, product=CONSOLE, permission="kms:GetKeyPolicy", errors=(RamNoPermission,))
def list_key_users(call: KeyCall, request: ListKeyUsersRequest) -> ListKeyUsersReply:
    """Tell of the account's users, by name, what the policies let each do with a key: always, never, or under conditions."""
    listing = Need("ram:ListUsers", ram_arn(call.account, "user", "*"), call.account)
    if not call.may(listing):
        detail = {"AuthAction": listing.action, "AuthResource": listing.resource}
        raise RamNoPermission(about=f" It needs {listing.action} on {listing.resource}.", detail=detail)
    users = sorted(
        (one for one in call.store.identities.all(User, call.account) if one.name >= request.marker),
        key=lambda one: one.name,
    )
    page, beyond = users[: request.max_items], users[request.max_items :]
    principals, actions = Principals(call.store), _actions(call.key)
    rows = [
        KeyUser(
            user_name=user.name,
            rights=Rights(right=[_right(principals, call.key, user, action) for action in actions]),
        )
        for user in page
    ]
    return ListKeyUsersReply(
        users=KeyUsers(user=rows), is_truncated=bool(beyond), marker=beyond[0].name if beyond else ""
    )


def _actions(key: Key) -> list[str]:
    uses = [CATALOGUE.find(KMS.version, action) for action in _USES]
    fit = [one for one in uses if one is not None and _fits(one.use, key)]
    return [*(one.action for one in fit), *_MANAGEMENT]


def _fits(use: Use | None, key: Key) -> bool:
    return good(use or Use.SYMMETRIC, key.spec, key.usage, key.origin)


def _right(principals: Principals, key: Key, user: User, action: str) -> Right:
    permission, resource = f"kms:{action}", key_arn(*key.place)
    grounds = identity_grounds(principals.policies(user.account, user.user_id), permission, resource)
    if key.policy:
        policy = Policy(PolicyType.KEY, policies.NAME, compiled_of_key(key.policy))
        arn = ram_arn(user.account, "user", user.name)
        grounds += key_grounds(policy, permission, resource, key.account, user.account, arn)
    return Right(action=permission, prospect=prospect(grounds))
