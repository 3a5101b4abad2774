"""Regions: where keys can live."""

from keystead.api.operation import Call, operation
from keystead.api.wire_types import Reply, Request
from keystead.domain.regions import REGIONS


class DescribeRegionsRequest(Request, frozen=True):
    pass


class ListedRegion(Reply, frozen=True):
    region_id: str


class ListedRegions(Reply, frozen=True):
    region: list[ListedRegion]


class DescribeRegionsReply(Reply, frozen=True):
    regions: ListedRegions


@operation(free=True)
def describe_regions(call: Call, request: DescribeRegionsRequest) -> DescribeRegionsReply:
    """List the regions of the service; each has keys and aliases of its own."""
    names = sorted({*REGIONS, call.home.region})
    return DescribeRegionsReply(
        regions=ListedRegions(region=[ListedRegion(region_id=name) for name in names])
    )
