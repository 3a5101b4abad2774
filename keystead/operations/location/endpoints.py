"""Endpoints: what clients ask the location service before they call a product.

Members and their odd spelling are the vendor's, as its SDKs read them.
"""

from typing import Annotated

import msgspec

from keystead.api.coerce import rule
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Param, Reply, Request, choice
from keystead.domain.products import LOCATION, endpoint_of
from keystead.errors import LocationNotFound, RegionNotFound
from keystead.forms import REGION


@rule(f"the name of a region: {REGION.words}")
def _region(name: str, text: str) -> str:
    if not REGION.fits(text):
        raise RegionNotFound
    return text


@rule("kms, ram or sts")
def _service_code(name: str, text: str) -> str:
    if endpoint_of(text, "") is None:
        raise LocationNotFound
    return text.lower()


RegionId = Annotated[str, Param("String", _region, errors=(RegionNotFound,))]
ServiceCode = Annotated[str, Param("String", _service_code, errors=(LocationNotFound,))]


class DescribeEndpointsRequest(Request, frozen=True):
    id: RegionId
    service_code: ServiceCode
    type: Annotated[str, choice("openAPI", "innerAPI")] = "openAPI"


class ListedProtocols(Reply, frozen=True):
    protocols: list[str]


class ListedEndpoint(Reply, frozen=True):
    protocols: ListedProtocols
    type: str
    namespace: str
    id: str
    service_code: str = msgspec.field(name="SerivceCode")
    endpoint: str


class ListedEndpoints(Reply, frozen=True):
    endpoint: list[ListedEndpoint]


class DescribeEndpointsReply(Reply, frozen=True):
    endpoints: ListedEndpoints
    success: bool


@operation(product=LOCATION, free=True)
def describe_endpoints(call: Call, request: DescribeEndpointsRequest) -> DescribeEndpointsReply:
    """Show the endpoint of a product in a region, as `keystead run` answers for it."""
    endpoint = ListedEndpoint(
        protocols=ListedProtocols(protocols=["HTTPS"]),
        type=request.type,
        namespace="",
        id=request.id,
        service_code=request.service_code,
        endpoint=endpoint_of(request.service_code, request.id) or "",
    )
    return DescribeEndpointsReply(endpoints=ListedEndpoints(endpoint=[endpoint]), success=True)
