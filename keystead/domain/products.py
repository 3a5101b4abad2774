"""The products that calls are of: each has a version that names it on the wire, and hosts that its clients call."""

import re
from typing import NamedTuple


class Product(NamedTuple):
    """One product. An API of the vendor's, or our own for what the vendor lacks."""

    name: str
    version: str  # the parameter Version of each of its calls
    # The vendor's endpoints for it. The first group is the region; a product without one is the same in all regions.
    hosts: re.Pattern[str] | None
    recommended_as: str  # what a refusal's Recommend calls it
    for_operator_only: bool = False
    for_console_only: bool = False

    def serves(self, host: str) -> bool:
        """Whether this lower-case host name, without port, is an endpoint of the product."""
        return self._endpoint(host) is not None

    @property
    def ours(self) -> bool:
        """Whether no policy is about it: who may call it is settled by how the call comes in."""
        return self.for_operator_only or self.for_console_only

    @property
    def regional(self) -> bool:
        """Whether its resources belong to regions."""
        return self.hosts is None or self.hosts.groups > 0

    def region_in(self, host: str) -> str:
        """The region that an endpoint names; "" if the host is none, or is the same for all regions."""
        found = self._endpoint(host)
        return "" if found is None or not self.regional else str(found[1])

    def _endpoint(self, host: str) -> re.Match[str] | None:
        return None if self.hosts is None else self.hosts.fullmatch(host)


KMS = Product(
    name="Kms",
    version="2016-01-20",
    hosts=re.compile(r"kms(?:-vpc|-intranet)?\.([a-z0-9-]+)\.aliyuncs\.com"),
    recommended_as="Kms",
)
STS = Product(
    name="Sts",
    version="2015-04-01",
    hosts=re.compile(r"sts(?:-vpc)?(?:\.[a-z0-9-]+)?\.aliyuncs\.com"),
    recommended_as="Sts",
)
RAM = Product(
    name="Ram",
    version="2015-05-01",
    hosts=re.compile(r"ram(?:-vpc)?\.aliyuncs\.com"),
    recommended_as="Ram",
)
# Its calls come by the control socket, to whichever server that is.
KEYSTEAD = Product(
    name="Keystead",
    version="2026-11-24",
    hosts=KMS.hosts,
    recommended_as="Kms",
    for_operator_only=True,
)
# Its calls come by the console, for a person who signs in or has signed in.
CONSOLE = Product(
    name="Console",
    version="2026-11-28",
    hosts=KMS.hosts,
    recommended_as="Kms",
    for_console_only=True,
)
LOCATION = Product(
    name="Location",
    version="2015-06-12",
    hosts=re.compile(r"location(?:-readonly|-vpc)?(?:\.[a-z0-9-]+)?\.aliyuncs\.com"),
    recommended_as="Location",
)
PRODUCTS = (KMS, RAM, STS, LOCATION, KEYSTEAD, CONSOLE)

# By the codes that the location service has for them: where clients find the products whose hosts are answered here.
_ENDPOINTS = {"kms": "kms.{}.aliyuncs.com", "ram": "ram.aliyuncs.com", "sts": "sts.{}.aliyuncs.com"}


def endpoint_of(service_code: str, region: str) -> str | None:
    """The vendor's endpoint of a product in a region; None for a product whose hosts are not answered here."""
    host = _ENDPOINTS.get(service_code.lower())
    return None if host is None else host.format(region)
