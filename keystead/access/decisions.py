"""May this caller do this to these resources?"""

from collections.abc import Iterable

from keystead.access.callers import Caller, CallerType
from keystead.domain.arns import parse
from keystead.domain.products import Product
from keystead.errors import NoPermission


def authorize(caller: Caller, product: Product, action: str, resources: Iterable[str]) -> None:
    """Return if every resource (ARN) is the caller's to use, else raise NoPermission.

    The account itself may do everything to what is its own and nothing to anybody else's; the operator and the
    service act for the account that the call names. Our own product is the operator's alone.
    """
    if product.for_operator_only and caller.type is not CallerType.OPERATOR:
        raise NoPermission
    for resource in resources:
        arn = parse(resource)
        if arn is None or arn.account != caller.account:
            raise NoPermission
