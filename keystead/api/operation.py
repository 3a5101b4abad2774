"""How an operation is declared, and the catalogue of all of them.

    class CreateAliasRequest(Request, frozen=True):
        key_id: KeyIdRef
        alias_name: NewAliasName

    @key_operation(gate=Gate.MODIFY, changes=True, errors=(AliasTaken,))
    def create_alias(call: KeyCall, request: CreateAliasRequest) -> Empty: …

The action is the function's name in PascalCase; types, parameters, reply members and errors come from the annotations.
Dispatch, the command line and the reference pages are derived from the catalogue; nothing else is registered anywhere.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, get_type_hints

import msgspec

from keystead.access.callers import Caller
from keystead.api.service_keys import Promise
from keystead.api.slow import Attempt
from keystead.api.wire_types import Param, Reply, Request, Role
from keystead.crypto.blob import Blob
from keystead.crypto.vault import Vault
from keystead.domain.keys.algorithms import Use, refusals
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import Key, KeySpec, KeyVersion
from keystead.domain.keys.lifecycle import Gate
from keystead.domain.products import KMS, PRODUCTS, Product
from keystead.entropy import Entropy
from keystead.errors import KmsError, ServiceKeyManaged
from keystead.store.ports import Store

T = TypeVar("T")


class Call(msgspec.Struct, kw_only=True):
    """What an operation may use. `now` is whole seconds since 1970, the same for the whole call."""

    caller: Caller
    attempt: Attempt
    account: str
    region: str
    home_region: str
    now: int
    store: Store
    vault: Vault
    entropy: Entropy
    keys: tuple[Key, ...] = ()  # all that the request names, in its order
    alias: Alias | None = None
    resources: list[str] = []  # ARNs for the record: what was found, and what the operation creates

    def slow(self, function: Callable[..., T], *values: Any) -> T:
        """function(*values), computed in a pool (see keystead.api.slow). Values are compared between the passes: none
        may be drawn from `entropy` by this call."""
        return self.attempt.result(function, values)

    def generate(self, spec: KeySpec) -> bytes:
        """A new private key, made in a pool of its own, beside the one where keys are used."""
        return self.attempt.result(self.vault.generate, (spec,), making=True)


class Source(NamedTuple):
    """The key and version of a ciphertext that the call takes from; admitted like the call's own key.

    `blob` is None for what was encrypted under a public key, which does not say its key.
    """

    key: Key
    version: KeyVersion
    blob: Blob | None


class KeyCall(Call, kw_only=True):
    """A call about one key, found, authorized and admitted. `version` is the blob's, or else the primary one."""

    key: Key
    version: KeyVersion
    blob: Any = None
    source: Source | None = None
    promise: Promise | None = None  # of the key, if it is still to be made: then it has no material yet


class Field(NamedTuple):
    """One parameter of an operation."""

    name: str  # on the wire
    attribute: str
    param: Param
    required: bool
    doc: str


class Operation(NamedTuple):
    """One operation, as declared."""

    product: Product
    action: str
    function: Callable[[Any, Any], Reply]
    request: type[Request]
    reply: type[Reply]
    fields: tuple[Field, ...]
    roles: tuple[Field, ...]  # those of the fields that name a resource
    recorded: tuple[Field, ...]  # those whose values a record may hold
    gate: Gate | None  # None: the operation is about no key
    use: Use | None  # what the key must be good for
    changes: bool
    of_services: bool  # whether it may change the key of a service, too
    container: (
        str  # "key", "alias" or "": what a call about no single resource is authorized on; "" is all of them
    )
    actions: Mapping[
        Role, str
    ]  # what is to be allowed on what a field names, if that is not the operation itself
    free: bool  # whether anybody may who has an AccessKey
    errors: tuple[type[KmsError], ...]

    @property
    def summary(self) -> str:
        """The first sentence of the operation's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    @property
    def uses(self) -> bool:
        """Whether it uses a key, which strangers may be let do, and does not manage it."""
        return self.gate is Gate.USE and not self.changes

    def action_on(self, role: Role | None = None) -> str:
        """The action that policies have to allow, on what a field of this role names."""
        action = self.action if role is None else self.actions.get(role, self.action)
        return f"{self.product.name.lower()}:{action}"

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters that it takes, those that every operation takes among them."""
        return [*(field.name for field in self.fields), "RegionId", "DryRun"]

    def takes(self, name: str) -> bool:
        """Whether it has this parameter; `Tag.1.Key` is part of `Tag`."""
        return name.split(".", 1)[0] in self.parameters


class Catalogue:
    """All operations. A version names its product, so a version and an action name an operation."""

    def __init__(self) -> None:
        self._operations: dict[tuple[str, str], Operation] = {}
        self.products: dict[str, Product] = {product.version: product for product in PRODUCTS}

    def __iter__(self) -> Iterator[Operation]:
        """By product, in their order, and by action."""
        rank = sorted(self._operations.values(), key=lambda one: (PRODUCTS.index(one.product), one.action))
        return iter(rank)

    def add(self, operation: Operation) -> None:
        """Add an operation; ValueError if the action is taken."""
        key = (operation.product.version, operation.action)
        if key in self._operations:
            raise ValueError(f"{operation.product.name} {operation.action} is declared twice")
        self._operations[key] = operation

    def remove(self, operation: Operation) -> None:
        """Take an operation out again, as tests do with throw-away ones."""
        del self._operations[operation.product.version, operation.action]

    def find(self, version: str, action: str) -> Operation | None:
        """The operation that this version and action name, or None."""
        return self._operations.get((version, action))

    def of(self, product: Product) -> tuple[Operation, ...]:
        """The operations of one product, by action."""
        return tuple(one for one in self if one.product == product)


CATALOGUE = Catalogue()

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Reply)


def operation(
    *,
    gate: Gate | None = None,
    changes: bool = False,
    container: str = "",
    errors: tuple[type[KmsError], ...] = (),
    product: Product = KMS,
    free: bool = False,
) -> Callable[[Callable[[Call, Q], R]], Callable[[Call, Q], R]]:
    """Declare an operation that is not about one key. `container` is what it is authorized on, `gate` the row of the state
    table for each of several keys; with `free` nobody is refused."""

    def declare(function: Callable[[Call, Q], R]) -> Callable[[Call, Q], R]:
        CATALOGUE.add(_build(function, product, gate, None, changes, False, container, {}, free, errors))
        return function

    return declare


def key_operation(
    *,
    gate: Gate,
    use: Use | None = None,
    changes: bool = False,
    of_services: bool = False,
    actions: Mapping[Role, str] | None = None,
    errors: tuple[type[KmsError], ...] = (),
) -> Callable[[Callable[[KeyCall, Q], R]], Callable[[KeyCall, Q], R]]:
    """Declare an operation about one key, which a field of its request names.

    `gate` is its row of the state table, `use` what the key must be good for; with `of_services` it may change the key of a
    service, too. `actions`: what must be allowed on what a field of a role names, in place of the operation.
    """

    def declare(function: Callable[[KeyCall, Q], R]) -> Callable[[KeyCall, Q], R]:
        refused = (*errors, *refusals(use))
        built = _build(function, KMS, gate, use, changes, of_services, "", actions or {}, False, refused)
        if not any(field.param.role in (Role.KEY, Role.BLOB) for field in built.fields):
            raise TypeError(f"{built.action}: no field of its request names a key")
        CATALOGUE.add(built)
        return function

    return declare


def _build(
    function: Callable[[Any, Any], Reply],
    product: Product,
    gate: Gate | None,
    use: Use | None,
    changes: bool,
    of_services: bool,
    container: str,
    actions: Mapping[Role, str],
    free: bool,
    errors: tuple[type[KmsError], ...],
) -> Operation:
    hints = get_type_hints(function)
    request, reply = hints["request"], hints["return"]
    fields = tuple(_fields(request))
    return Operation(
        product=product,
        action="".join(word.capitalize() for word in function.__name__.split("_")),
        function=function,
        request=request,
        reply=reply,
        fields=fields,
        # A ciphertext is looked at when the key that it may need is known.
        roles=tuple(
            sorted(
                (field for field in fields if field.param.role is not None),
                key=lambda field: field.param.role is Role.SOURCE,
            )
        ),
        recorded=tuple(
            field
            for field in fields
            if not field.param.sensitive and field.param.role not in (Role.BLOB, Role.SOURCE)
        ),
        gate=gate,
        use=use,
        changes=changes,
        of_services=of_services,
        container=container,
        actions=actions,
        free=free,
        errors=tuple(
            dict.fromkeys(
                (
                    *errors,
                    *(error for field in fields for error in field.param.errors),
                    *((ServiceKeyManaged,) if changes and gate is not None and not of_services else ()),
                )
            )
        ),
    )


def _fields(request: type[Request]) -> Iterator[Field]:
    hints = get_type_hints(request, include_extras=True)
    for info in msgspec.structs.fields(request):
        metadata = [
            one for one in getattr(hints[info.name], "__metadata__", ()) if isinstance(one, Param | str)
        ]
        params = [one for one in metadata if isinstance(one, Param)]
        if len(params) != 1:
            raise TypeError(f"{request.__name__}.{info.name} has no wire type")
        docs = [one for one in metadata if isinstance(one, str)]
        yield Field(info.encode_name, info.name, params[0], info.required, docs[0] if docs else "")
