"""Accounts: the tenants of a server, none of which can see another. For the operator alone."""

from typing import Annotated

import msgspec

from keystead.api.access_keys import AccountId, account_of, new_access_key
from keystead.api.coerce import text_up_to
from keystead.api.operation import Call, operation
from keystead.api.sign_in_rows import end_sessions
from keystead.api.wire_types import Empty, Param, Reply, Request, choice
from keystead.clock import iso8601
from keystead.domain.accounts import Account, AccountStatus
from keystead.domain.arns import account_arn
from keystead.domain.products import KEYSTEAD
from keystead.errors import AccountNotFound, InvalidParameter

AccountName = Annotated[str, Param("String", text_up_to(64), empty=True)]
NewAccountName = Annotated[str | None, Param("String", text_up_to(64), empty=True)]
Status = Annotated[str, choice(*AccountStatus)]


class ShownAccount(Reply, frozen=True):
    account_id: str
    account_name: str
    status: str
    create_date: str


class RootAccessKey(Reply, frozen=True):
    access_key_id: str
    access_key_secret: str


def _shown(account: Account) -> ShownAccount:
    return ShownAccount(
        account_id=account.account_id,
        account_name=account.name,
        status=account.status,
        create_date=iso8601(account.created),
    )


class CreateAccountRequest(Request, frozen=True):
    account_name: AccountName = ""


class CreateAccountReply(Reply, frozen=True):
    account: ShownAccount
    access_key: RootAccessKey


@operation(changes=True, product=KEYSTEAD)
def create_account(call: Call, request: CreateAccountRequest) -> CreateAccountReply:
    """Make an account, with an AccessKey of its root; the secret is shown this once."""
    account = Account(
        account_id=f"1{int.from_bytes(call.entropy.take(8), 'big') % 10**15:015}",
        created=call.now,
        name=request.account_name,
    )
    call.resources.append(account_arn(account.account_id))
    call.store.accounts.add(account)
    access_key, secret = new_access_key(call, account.account_id)
    return CreateAccountReply(
        account=_shown(account),
        access_key=RootAccessKey(access_key_id=access_key.access_key_id, access_key_secret=secret),
    )


class ListAccountsRequest(Request, frozen=True):
    pass


class ListedAccounts(Reply, frozen=True):
    account: list[ShownAccount]


class ListAccountsReply(Reply, frozen=True):
    accounts: ListedAccounts


@operation(product=KEYSTEAD)
def list_accounts(call: Call, request: ListAccountsRequest) -> ListAccountsReply:
    """List all accounts, oldest first."""
    return ListAccountsReply(
        accounts=ListedAccounts(account=[_shown(one) for one in call.store.accounts.all()])
    )


class UpdateAccountRequest(Request, frozen=True):
    account_id: AccountId
    new_account_name: NewAccountName = None
    status: Status = ""


@operation(changes=True, product=KEYSTEAD, errors=(AccountNotFound,))
def update_account(call: Call, request: UpdateAccountRequest) -> Empty:
    """Rename an account, disable it, so that none of its calls is accepted any more, or let it go on."""
    account = call.store.accounts.get(account_of(call, request.account_id))
    assert account is not None
    call.resources.append(account_arn(account.account_id))
    if request.status == AccountStatus.DISABLED and account.account_id == call.account:
        raise InvalidParameter(name="AccountId")
    if request.status == AccountStatus.DISABLED:
        end_sessions(call.store, account.account_id)
    call.store.accounts.put(
        msgspec.structs.replace(
            account,
            name=account.name if request.new_account_name is None else request.new_account_name,
            status=AccountStatus(request.status or account.status),
        )
    )
    return Empty()
