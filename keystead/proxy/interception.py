"""Which hosts the proxy answers for itself, and which it leaves alone."""

import enum
import re

from keystead.domain.products import PRODUCTS

# Hosts of the vendor's that a client of ours may call beside those of our products. The internet's answer would be to
# another account's AccessKey, so these are refused here rather than passed on.
_NOT_SERVED = re.compile(r"ram(?:-vpc)?(?:\.[a-z0-9-]+)?\.aliyuncs\.com")


class Route(enum.Enum):
    """What becomes of a request to a host."""

    SERVE = "serve"  # it goes to the server that the proxy speaks for
    REFUSE = "refuse"  # the proxy answers that it is not served
    PASS = "pass"  # noqa: S105 - it goes where the client wanted, untouched


def route_of(host: str) -> Route:
    """The way of a request to this lower-case host name."""
    if any(product.serves(host) for product in PRODUCTS):
        return Route.SERVE
    return Route.REFUSE if _NOT_SERVED.fullmatch(host) else Route.PASS
