"""Which hosts the proxy answers for itself, and which it leaves alone."""

import enum
import re

from keystead.api.http.message import HttpRequest
from keystead.api.http.parse import parse
from keystead.api.http.signature import action_and_version
from keystead.domain.products import LOCATION, PRODUCTS, endpoint_of
from keystead.errors import KmsError

# Hosts of the vendor's that a client of ours may call beside those that are answered. The internet's answer would be to
# another account's AccessKey, and plaintexts would be on their way to it, so these are refused here rather than passed on.
_NOT_SERVED = re.compile(r"(?:kms|ram|sts)(?:-[a-z0-9]+)*(?:\.[a-z0-9-]+)?\.aliyuncs\.com")


class Route(enum.Enum):
    """What becomes of a request to a host."""

    SERVE = "serve"  # it goes to the server that the proxy speaks for
    ASK = "ask"  # what it asks for decides whether it goes to the server or where the client wanted
    REFUSE = "refuse"  # the proxy answers that it is not served
    PASS = "pass"  # noqa: S105 - it goes where the client wanted, untouched


def route_of(host: str) -> Route:
    """The way of a request to this lower-case host name, with or without the root's dot."""
    host = host.removesuffix(".")
    if LOCATION.serves(host):
        return Route.ASK
    if any(product.serves(host) for product in PRODUCTS):
        return Route.SERVE
    return Route.REFUSE if _NOT_SERVED.fullmatch(host) else Route.PASS


def asks_elsewhere(request: HttpRequest) -> bool:
    """Whether a request to the location service is about a product whose hosts are not answered here, or is another one
    than for endpoints. What can't be read is the server's to refuse."""
    try:
        parameters = parse(request).merged
    except KmsError:
        return False
    action, _ = action_and_version(parameters, request.headers)
    code = parameters.get("ServiceCode", "")
    return action != "DescribeEndpoints" or (bool(code) and endpoint_of(code, "") is None)
