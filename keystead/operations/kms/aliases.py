"""Aliases: other names of keys."""

from keystead.api.operation import Call, KeyCall, key_operation, operation
from keystead.api.wire_types import AliasName, Empty, KeyIdRef, NewAliasName, PageRequest, Reply, Request
from keystead.domain.arns import alias_arn
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.lifecycle import Gate
from keystead.errors import AliasNotFound, AliasTaken
from keystead.store.ports import Page


class CreateAliasRequest(Request, frozen=True):
    key_id: KeyIdRef
    alias_name: NewAliasName


@key_operation(gate=Gate.MODIFY, changes=True, errors=(AliasTaken,))
def create_alias(call: KeyCall, request: CreateAliasRequest) -> Empty:
    """Give a key one more name, unique within the account and region."""
    call.store.aliases.add(
        Alias(
            account=call.account,
            region=call.region,
            name=request.alias_name,
            key_id=call.key.key_id,
            created=call.now,
        )
    )
    return Empty()


class UpdateAliasRequest(Request, frozen=True):
    key_id: KeyIdRef
    alias_name: AliasName


@key_operation(gate=Gate.EDIT, changes=True, errors=(AliasNotFound,))
def update_alias(call: KeyCall, request: UpdateAliasRequest) -> Empty:
    """Point an alias to another key; only the state of that key counts."""
    assert call.alias is not None
    call.store.aliases.put(call.alias._replace(key_id=call.key.key_id))
    return Empty()


class DeleteAliasRequest(Request, frozen=True):
    alias_name: AliasName


@operation(changes=True, errors=(AliasNotFound,))
def delete_alias(call: Call, request: DeleteAliasRequest) -> Empty:
    """Remove an alias; its key stays."""
    assert call.alias is not None
    call.store.aliases.remove(call.alias)
    return Empty()


class ListedAlias(Reply, frozen=True):
    alias_name: str
    key_id: str
    alias_arn: str


class ListedAliases(Reply, frozen=True):
    alias: list[ListedAlias]


class ListAliasesReply(Reply, frozen=True):
    aliases: ListedAliases
    total_count: int
    page_number: int
    page_size: int


class ListAliasesRequest(PageRequest, frozen=True, kw_only=True):
    pass


@operation(container="alias")
def list_aliases(call: Call, request: ListAliasesRequest) -> ListAliasesReply:
    """List the aliases of the account in the region, oldest first, a page at a time."""
    page = call.store.aliases.page(call.account, call.region, request.offset, request.page_size)
    return _listed(page, request.page_number, request.page_size)


class ListAliasesByKeyIdRequest(PageRequest, frozen=True, kw_only=True):
    key_id: KeyIdRef


@key_operation(gate=Gate.ANY)
def list_aliases_by_key_id(call: KeyCall, request: ListAliasesByKeyIdRequest) -> ListAliasesReply:
    """List the aliases of one key, oldest first, a page at a time."""
    page = call.store.aliases.page_of_key(
        call.account, call.region, call.key.key_id, request.offset, request.page_size
    )
    return _listed(page, request.page_number, request.page_size)


def _listed(page: Page[Alias], number: int, size: int) -> ListAliasesReply:
    rows = [
        ListedAlias(
            alias_name=alias.name,
            key_id=alias.key_id,
            alias_arn=alias_arn(alias.account, alias.region, alias.name),
        )
        for alias in page.items
    ]
    return ListAliasesReply(
        aliases=ListedAliases(alias=rows), total_count=page.total, page_number=number, page_size=size
    )
