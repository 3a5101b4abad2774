"""The catalogue of operations, and what it holds of each.

The modules of `keystead.operations` fill it when they are imported. In the client file that is data, made from this very
catalogue: all that the command line says of an operation, and nothing that carries one out.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from keystead.api.parameters import COMMON, Param, Role
from keystead.domain.products import PRODUCTS, Product

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from keystead.api.wire_types import Reply, Request
    from keystead.domain.keys.algorithms import Use
    from keystead.domain.keys.lifecycle import Gate
    from keystead.errors import KmsError


class Field(NamedTuple):
    """One parameter of an operation."""

    name: str  # on the wire
    attribute: str
    param: Param
    required: bool
    doc: str
    default: str  # in words, where it is worth saying


class Operation(NamedTuple):
    """One operation, as declared."""

    product: Product
    action: str
    summary: str  # the first sentence of its docstring
    family: str  # what its module's docstring begins with, up to the colon
    function: "Callable[[Any, Any], Reply]"
    request: "type[Request]"
    reply: "type[Reply]"
    fields: tuple[Field, ...]
    roles: tuple[Field, ...]  # those of the fields that name a resource
    recorded: tuple[Field, ...]  # those whose values a record may hold
    gate: "Gate | None"  # None: the operation is about no key
    use: "Use | None"  # what the key must be good for
    changes: bool
    of_services: bool  # whether it may change the key of a service, too
    container: (
        str  # "key", "alias" …: what a call about no single resource is authorized on; "" is all of them
    )
    actions: Mapping[
        Role, str
    ]  # what is to be allowed on what a field names, where that is not the operation itself
    permission: (
        str  # what is to be allowed in place of the operation, with its product: "kms:ListKeys"; "" is itself
    )
    free: bool  # whether anybody may who has an AccessKey
    quiet: bool  # whether a call that is answered leaves no record: it says what its caller may know of itself anyway
    of_accounts: (
        bool  # of our own product: whether it is not the operator's alone, but any account's, for itself
    )
    errors: "tuple[type[KmsError], ...]"
    # At the console, as with `operation`:
    confirmed: bool = False  # whether it needs a proof that was given lately
    own: bool = False  # whether a person may do it, without a policy, to how they themselves sign in
    # By what of the request itself its caller is known: nobody has signed in yet.
    proof: "Callable[[Any, Any, Any, Any, int], Any] | None" = None

    @property
    def uses(self) -> bool:
        """Whether it uses a key, which strangers may be let do, and does not manage it."""
        return self.gate == "use" and not self.changes

    @property
    def for_operator_only(self) -> bool:
        """Whether it is the operator's alone."""
        return self.product.for_operator_only and not self.of_accounts

    def action_on(self, role: Role | None = None) -> str:
        """The action that policies have to allow, on what a field of this role names."""
        if self.permission:
            return self.permission
        action = self.action if role is None else self.actions.get(role, self.action)
        return f"{self.product.name.lower()}:{action}"

    def container_in(self, account: str, region: str, caller: str) -> str:
        """The ARN of what it is authorized on if it is about no single resource; `caller`: the name of the one who asks."""
        place = region if self.product.regional else ""
        container = self.container.format(caller=caller) or "*"
        return f"acs:{self.action_on().partition(':')[0]}:{place}:{account}:{container}"

    @property
    def of_session(self) -> bool:
        """Whether it is about the console's session itself, and no matter of policies."""
        return self.product.for_console_only and not self.permission

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters that it takes, those that every operation takes among them."""
        return [*(field.name for field in self.fields), "RegionId", "DryRun"]

    def rule(self, name: str) -> str:
        """What it admits for a parameter, in words; "" for one that it does not have."""
        for field in self.fields:
            if field.name == name.split(".", 1)[0]:
                return field.param.limits
        return COMMON.get(name, "")

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

    def families(self, product: Product) -> dict[str, list[Operation]]:
        """The operations of one product by family, both in alphabetical order."""
        found: dict[str, list[Operation]] = {}
        for one in sorted(self.of(product), key=lambda one: one.family):
            found.setdefault(one.family, []).append(one)
        return found


CATALOGUE = Catalogue()
