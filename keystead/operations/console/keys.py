"""Keys as the console lists them: found by any of their names, and summed up."""

from typing import Annotated

from keystead.api.coerce import text_up_to
from keystead.api.operation import Call, operation
from keystead.api.wire_types import PageRequest, Param, Reply, Request, choice
from keystead.clock import iso8601
from keystead.domain.arns import key_arn
from keystead.domain.keys.key import Key, KeySpec, KeyUsage, Origin
from keystead.domain.keys.lifecycle import KeyState
from keystead.domain.products import CONSOLE
from keystead.store.lookups import FoundKey, WantedKeys

NEXT = 10  # of what happens to keys next

Query = Annotated[str, Param("String", text_up_to(256))]
TagText = Annotated[str, Param("String", text_up_to(128))]
State = Annotated[str, choice(*KeyState)]
Spec = Annotated[str, choice(*KeySpec)]
Usage = Annotated[str, choice(*KeyUsage)]
KeyOrigin = Annotated[str, choice(*Origin)]


class Tag(Reply, frozen=True):
    tag_key: str
    tag_value: str


class TagsOfKey(Reply, frozen=True):
    tag: list[Tag]


class AliasesOfKey(Reply, frozen=True):
    alias: list[str]


class ListedKey(Reply, frozen=True):
    """A key; a date that it does not have is empty."""

    key_id: str
    arn: str
    description: str
    key_state: str
    key_spec: str
    key_usage: str
    origin: str
    protection_level: str
    creator: str
    creation_date: str
    delete_date: str
    material_expire_time: str
    automatic_rotation: str
    next_rotation_date: str
    deletion_protection: str
    aliases: AliasesOfKey
    tags: TagsOfKey


def _date(second: int | None) -> str:
    return "" if second is None else iso8601(second)


def _listed(found: FoundKey, now: int) -> ListedKey:
    key = found.key.at(now)
    return ListedKey(
        key_id=key.key_id,
        arn=key_arn(*key.place),
        description=key.description,
        key_state=key.state,
        key_spec=key.spec,
        key_usage=key.usage,
        origin=key.origin,
        protection_level=key.protection,
        creator=key.creator,
        creation_date=iso8601(key.created),
        delete_date=_date(key.deletion_at),
        material_expire_time=_date(key.expires),
        automatic_rotation=key.automatic_rotation,
        next_rotation_date=_date(key.next_rotation),
        deletion_protection="Enabled" if key.protected else "Disabled",
        aliases=AliasesOfKey(alias=list(found.aliases)),
        tags=TagsOfKey(tag=[Tag(tag_key=name, tag_value=value) for name, value in found.tags]),
    )


class SearchKeysRequest(PageRequest, frozen=True, kw_only=True):
    query: Query = ""
    name: Query = ""  # the id or an alias, as a whole
    key_state: State = ""
    key_spec: Spec = ""
    key_usage: Usage = ""
    origin: KeyOrigin = ""
    tag_key: TagText = ""
    tag_value: TagText = ""


class ListedKeys(Reply, frozen=True):
    key: list[ListedKey]


class SearchKeysReply(Reply, frozen=True):
    keys: ListedKeys
    page_number: int
    page_size: int
    total_count: int


@operation(product=CONSOLE, container="key", permission="kms:ListKeys")
def search_keys(call: Call, request: SearchKeysRequest) -> SearchKeysReply:
    """Find keys, the newest first: by name, by a part of their id, description, aliases or tags, and by what they are."""
    wanted = WantedKeys(
        account=call.account,
        region=call.region,
        name=request.name,
        text=request.query,
        state=request.key_state,
        spec=request.key_spec,
        usage=request.key_usage,
        origin=request.origin,
        tag_key=request.tag_key,
        tag_value=request.tag_value,
        offset=request.offset,
        limit=request.page_size,
    )
    found = call.look(call.store.lookups.keys, wanted)
    return SearchKeysReply(
        keys=ListedKeys(key=[_listed(one, call.now) for one in found.items]),
        page_number=request.page_number,
        page_size=request.page_size,
        total_count=found.total,
    )


class SummarizeKeysRequest(Request, frozen=True):
    pass


class Amount(Reply, frozen=True):
    key_state: str
    key_spec: str
    key_usage: str
    count: int


class Amounts(Reply, frozen=True):
    amount: list[Amount]


class KeyToCome(Reply, frozen=True):
    key_id: str
    description: str
    date: str


class KeysToCome(Reply, frozen=True):
    key: list[KeyToCome]


class SummarizeKeysReply(Reply, frozen=True):
    total_count: int
    amounts: Amounts
    rotations: KeysToCome
    deletions: KeysToCome
    expiries: KeysToCome


@operation(product=CONSOLE, container="key", permission="kms:ListKeys")
def summarize_keys(call: Call, request: SummarizeKeysRequest) -> SummarizeKeysReply:
    """Tell how many keys there are of each state, spec and usage, and which are rotated, deleted or expire next."""
    found = call.look(call.store.lookups.summary, call.account, call.region, NEXT)
    return SummarizeKeysReply(
        total_count=sum(amount for _, amount in found.amounts),
        amounts=Amounts(
            amount=[
                Amount(key_state=state, key_spec=spec, key_usage=usage, count=amount)
                for (state, spec, usage), amount in found.amounts
            ]
        ),
        rotations=_to_come([(key, key.rotation_due) for key in found.rotating]),
        deletions=_to_come([(key, key.deletion_at) for key in found.leaving]),
        expiries=_to_come([(key, key.expires) for key in found.expiring]),
    )


def _to_come(dates: list[tuple[Key, int | None]]) -> KeysToCome:
    return KeysToCome(
        key=[
            KeyToCome(key_id=key.key_id, description=key.description, date=_date(second))
            for key, second in dates
        ]
    )
