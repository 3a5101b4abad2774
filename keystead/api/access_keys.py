"""AccessKeys, whoever asks for them: how they are named and made, and whose they are."""

from typing import Annotated

import msgspec

from keystead.api.coerce import rule
from keystead.api.operation import Call
from keystead.api.wire_types import Param
from keystead.crypto.vault import Vault
from keystead.domain.accounts import AccessKey, AccessKeyStatus
from keystead.domain.arns import access_key_arn
from keystead.entropy import Entropy
from keystead.errors import AccountNotFound, InvalidParameter
from keystead.forms import ACCOUNT


@rule("1 to 128 letters and digits")
def _access_key_id(name: str, text: str) -> str:
    if not 1 <= len(text) <= 128 or not text.isascii() or not text.isalnum():
        raise InvalidParameter(name=name)
    return text


# Not recorded as it was sent, since people paste secrets there; the record names the AccessKey that was found.
AccessKeyId = Annotated[str, Param("String", _access_key_id, sensitive=True)]


@rule(ACCOUNT.words)
def _account_id(name: str, text: str) -> str:
    if not ACCOUNT.fits(text):
        raise InvalidParameter(name=name)
    return text


AccountId = Annotated[str, Param("String", _account_id, errors=(AccountNotFound,))]


def account_of(call: Call, account_id: str) -> str:
    """The account that an operator's call is about: the one that it names, or else the server's first."""
    if account_id and call.store.accounts.get(account_id) is None:
        raise AccountNotFound(name=account_id)
    return account_id or call.account


def make_access_key(
    entropy: Entropy,
    vault: Vault,
    account: str,
    now: int,
    *,
    user_id: str = "",
    description: str = "",
    creator: str = "",
    expires: int = 0,
) -> tuple[AccessKey, str]:
    """A new AccessKey of an account or of one of its users, and its secret. It is in no store yet."""
    access_key_id = "LTAI" + entropy.take(10).hex().upper()
    secret, wrapped = vault.make_secret(account, access_key_id)
    access_key = AccessKey(
        access_key_id=access_key_id,
        account=account,
        status=AccessKeyStatus.ACTIVE,
        created=now,
        secret=wrapped,
        description=description,
        creator=creator,
        user_id=user_id,
        expires=expires,
    )
    return access_key, secret


def new_access_key(
    call: Call, account: str, *, user_id: str = "", description: str = "", seconds: int = 0
) -> tuple[AccessKey, str]:
    """Make an AccessKey of an account or of one of its users, and give it with its secret, which is in nobody's hands but
    the caller's. `seconds`: for how long it is there, if it does not stay."""
    access_key, secret = make_access_key(
        call.entropy,
        call.vault,
        account,
        call.now,
        user_id=user_id,
        description=description,
        creator=call.caller.session or call.caller.principal,
        expires=call.now + seconds if seconds else 0,
    )
    call.resources.append(access_key_arn(account, access_key.access_key_id))
    call.store.accounts.add_access_key(access_key)
    return access_key, secret


def set_status(call: Call, access_key: AccessKey, status: str) -> None:
    """Activate or deactivate an AccessKey: it binds from the next call on."""
    call.store.accounts.put_access_key(msgspec.structs.replace(access_key, status=AccessKeyStatus(status)))


def delete(call: Call, access_key: AccessKey) -> None:
    """Delete an AccessKey, and forget its secret."""
    call.store.accounts.remove_access_key(access_key.access_key_id)
    call.vault.forget_secret(access_key.access_key_id)
