"""How an operation is declared, and the catalogue of all of them.

    class CreateAliasRequest(Request, frozen=True):
        key_id: KeyIdRef
        alias_name: NewAliasName

    @key_operation(gate=Gate.MODIFY, changes=True, errors=(AliasTaken,))
    def create_alias(call: KeyCall, request: CreateAliasRequest) -> Empty: …

The action is the function's name in PascalCase; types, parameters, reply members and errors come from the annotations.
Dispatch, the command line and the reference pages are derived from the catalogue; nothing else is registered anywhere.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, get_type_hints

import msgspec

from keystead.access.callers import Caller, CallerType
from keystead.api.batch import Batch
from keystead.api.catalogue import CATALOGUE as CATALOGUE
from keystead.api.catalogue import Catalogue as Catalogue
from keystead.api.catalogue import Field as Field
from keystead.api.catalogue import Operation as Operation
from keystead.api.chains import Chains
from keystead.api.home import Home
from keystead.api.http.receive import Received
from keystead.api.needs import Need
from keystead.api.parameters import Param, Role
from keystead.api.service_keys import Promise
from keystead.api.sign_in import Arrival, Door
from keystead.api.slow import Attempt, Work
from keystead.api.tallies import Tallies
from keystead.api.wire_types import Reply, Request
from keystead.crypto.blob import Blob
from keystead.crypto.vault import Vault
from keystead.domain.keys.algorithms import Use, refusals
from keystead.domain.keys.aliases import Alias
from keystead.domain.keys.key import Key, KeySpec, KeyVersion
from keystead.domain.keys.lifecycle import Gate
from keystead.domain.products import KMS, Product
from keystead.domain.sessions import Session
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
    home: Home
    now: int
    batch: Batch
    chains: Chains
    store: Store
    vault: Vault
    entropy: Entropy
    door: Door
    tallies: Tallies
    may: Callable[[Need], bool]  # tells whether the caller may, as far as this call can know
    address: str = ""  # of whoever calls
    session: Session | None = None  # by which it comes, if it comes by the console
    keys: tuple[Key, ...] = ()  # all that the request names, in its order
    alias: Alias | None = None
    resources: list[str] = []  # ARNs for the record: what was found, and what the operation creates

    @property
    def chain(self) -> str:
        """That of the records that this server writes."""
        return self.batch.chain

    @property
    def signed_in(self) -> Session:
        """The session of a call that can only come by one."""
        assert self.session is not None
        return self.session

    @property
    def owns_server(self) -> bool:
        """Whether the caller is the owner of the account that the server was made with."""
        return self.caller.type is CallerType.ROOT and self.account == self.home.account

    def slow(self, function: Callable[..., T], *values: Any) -> T:
        """function(*values), computed in a pool (see keystead.api.slow). Values are compared between the passes: none
        may be drawn from `entropy` by this call."""
        return self.attempt.result(function, values)

    def prove(self, function: Callable[..., T], *values: Any) -> T:
        """As `slow`, of passwords: in a pool of their own, beside the one where keys are used."""
        return self.attempt.result(function, values, Work.PROVING)

    def generate(self, spec: KeySpec) -> bytes:
        """A new private key, made in a pool of its own, beside the one where keys are used."""
        return self.attempt.result(self.vault.generate, (spec,), Work.MAKING)

    def look(self, function: Callable[..., T], *values: Any) -> T:
        """What one of the store's lookups finds for these values: with all in it that was answered when this call came."""
        if not self.store.lookups.apart:
            return function(*values)
        return self.attempt.result(function, values, Work.LOOKING)


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


Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Reply)


def operation(
    *,
    gate: Gate | None = None,
    changes: bool = False,
    container: str = "",
    errors: tuple[type[KmsError], ...] = (),
    product: Product = KMS,
    permission: str = "",
    free: bool = False,
    quiet: bool = False,
    of_accounts: bool = False,
    confirmed: bool = False,
    own: bool = False,
    action: str = "",
    proof: Callable[[Door, Received, Any, Attempt, int], Arrival] | None = None,
) -> Callable[[Callable[[Call, Q], R]], Callable[[Call, Q], R]]:
    """Declare an operation that is not about one key. `container` is what it is authorized on, `permission` the action that
    has to be allowed there in place of its own, `gate` the row of the state table for each of several keys; with `free`
    nobody is refused, and with `quiet` an answer leaves no record. `container` may name the caller, as `user/{caller}`. One
    of the operator's product is the operator's alone unless it is `of_accounts`: then it is authorized like those of others.

    At the console: `confirmed` if it deletes keys or changes who may do what, so that a proof must have been given lately;
    `own` if a person may do it to how they themselves sign in, without a policy, and even if nothing else is let them do;
    `proof` if it is by its request that the caller is known. `action`: its name, if that is not the function's.
    """

    def declare(function: Callable[[Call, Q], R]) -> Callable[[Call, Q], R]:
        built = _build(function, product, gate, None, changes, False, container, {}, permission, errors)
        built = built._replace(action=action or built.action, free=free, quiet=quiet, of_accounts=of_accounts)
        CATALOGUE.add(built._replace(confirmed=confirmed, own=own, proof=proof))
        return function

    return declare


def key_operation(
    *,
    gate: Gate,
    use: Use | None = None,
    changes: bool = False,
    of_services: bool = False,
    actions: Mapping[Role, str] | None = None,
    confirmed: bool = False,
    errors: tuple[type[KmsError], ...] = (),
    product: Product = KMS,
    permission: str = "",
    of_accounts: bool = False,
) -> Callable[[Callable[[KeyCall, Q], R]], Callable[[KeyCall, Q], R]]:
    """Declare an operation about one key, which a field of its request names.

    `gate` is its row of the state table, `use` what the key must be good for; with `of_services` it may change the key of a
    service, too. `actions`: what must be allowed on what a field of a role names, in place of the operation; `permission`:
    on all that it names. `confirmed` and `of_accounts` as with `operation`.
    """

    def declare(function: Callable[[KeyCall, Q], R]) -> Callable[[KeyCall, Q], R]:
        refused = (*errors, *refusals(use))
        built = _build(
            function, product, gate, use, changes, of_services, "", actions or {}, permission, refused
        )
        if not any(field.param.role in (Role.KEY, Role.BLOB) for field in built.fields):
            raise TypeError(f"{built.action}: no field of its request names a key")
        CATALOGUE.add(built._replace(confirmed=confirmed, of_accounts=of_accounts))
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
    permission: str,
    errors: tuple[type[KmsError], ...],
) -> Operation:
    hints = get_type_hints(function)
    request, reply = hints["request"], hints["return"]
    fields = tuple(_fields(request))
    return Operation(
        product=product,
        action="".join(word.capitalize() for word in function.__name__.split("_")),
        summary=(function.__doc__ or "").strip().split("\n")[0],
        family=(sys.modules[function.__module__].__doc__ or "").partition(":")[0].strip(),
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
        permission=permission,
        free=False,
        quiet=False,
        of_accounts=False,
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
        yield Field(
            name=info.encode_name,
            attribute=info.name,
            param=params[0],
            required=info.required,
            doc=docs[0] if docs else "",
            default=_in_words(info.default),
        )


def _in_words(default: object) -> str:
    if default is True:
        return "true"
    return str(default) if isinstance(default, str | int) and default is not False else ""
