"""The catalogue as data, for the client file: all that is said of operations, and nothing that carries one out."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

from keystead import errors
from keystead.api.catalogue import Field, Operation
from keystead.api.parameters import Param, Role, Rule
from keystead.domain.products import PRODUCTS

_PARAM = ("kind", "limits", "sensitive", "choices", "empty", "binary")
_FIELD = ("name", "attribute", "required", "doc", "default")
_OPERATION = ("action", "summary", "family", "changes")


def written(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    """What `read` takes, as JSON has it."""
    return [
        {
            **{name: getattr(one, name) for name in _OPERATION},
            "product": one.product.name,
            "reply": one.reply.shape(),
            "fields": [
                {
                    **{name: getattr(field, name) for name in _FIELD},
                    "param": {name: getattr(field.param, name) for name in _PARAM},
                    "role": field.param.role and field.param.role.value,
                    "errors": [error.__name__ for error in field.param.errors],
                }
                for field in one.fields
            ],
        }
        for one in operations
    ]


def read(data: Iterable[dict[str, Any]]) -> Iterator[Operation]:
    """The operations that were written. What is not said of them is empty, and none can be carried out."""
    products = {product.name: product for product in PRODUCTS}
    for one in data:
        reply: Any = _Reply(one["reply"])
        request: Any = None
        yield Operation(
            action=one["action"],
            summary=one["summary"],
            family=one["family"],
            changes=one["changes"],
            product=products[one["product"]],
            function=_not_here,
            request=request,
            reply=reply,
            fields=tuple(map(_field, one["fields"])),
            roles=(),
            recorded=(),
            gate=None,
            use=None,
            of_services=False,
            container="",
            actions={},
            permission="",
            free=False,
            quiet=False,
            of_accounts=False,
            errors=(),
        )


def _field(one: dict[str, Any]) -> Field:
    param: dict[str, Any] = one["param"]
    role = one["role"] and Role(one["role"])
    return Field(
        name=one["name"],
        attribute=one["attribute"],
        param=Param(
            param["kind"],
            Rule(_not_here, param["limits"], tuple(param["choices"])),
            sensitive=param["sensitive"],
            role=role,
            empty=param["empty"],
            binary=param["binary"],
            errors=tuple(getattr(errors, name) for name in one["errors"]),
        ),
        required=one["required"],
        doc=one["doc"],
        default=one["default"],
    )


class _Reply(NamedTuple):
    """All that is known of an answer."""

    members: dict[str, Any]

    def shape(self) -> dict[str, Any]:
        """As that of `Reply`."""
        return self.members


def _not_here(*_: Any) -> NoReturn:
    raise TypeError("this is the client file: operations are carried out by a server")
