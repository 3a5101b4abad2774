"""Ready clients of both Python SDKs, which are imported when one is wanted. OperatorError where an SDK is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from keystead.errors import OperatorError
from keystead.proxy.environment import Change

if TYPE_CHECKING:
    from alibabacloud_kms20160120.client import Client
    from aliyunsdkcore.client import AcsClient


def classic(change: Change, access_key: tuple[str, str], region: str, options: dict[str, Any]) -> "AcsClient":
    """One of aliyun-python-sdk-core, which goes by way of the proxy of an environment."""
    with _needs("aliyun-python-sdk-core", "aliyun-python-sdk-kms"):
        from aliyunsdkcore.client import AcsClient

    proxy = change.values["HTTPS_PROXY"]
    given: dict[str, Any] = {
        "verify": change.values["REQUESTS_CA_BUNDLE"],
        "proxy": {"http": proxy, "https": proxy},
        "auto_retry": False,
    }
    return AcsClient(*access_key, region, **given | options)


def current(url: str, access_key: tuple[str, str], region: str, options: dict[str, Any]) -> "Client":
    """One of alibabacloud_kms20160120, which goes straight to a server's HTTP address."""
    with _needs("alibabacloud_kms20160120"):
        from alibabacloud_kms20160120.client import Client
        from alibabacloud_tea_openapi.models import Config

    given: dict[str, Any] = {
        "access_key_id": access_key[0],
        "access_key_secret": access_key[1],
        "region_id": region,
        "endpoint": url.removeprefix("http://"),
        "protocol": "HTTP",
    }
    return Client(Config(**given | options))


@contextmanager
def _needs(*packages: str) -> Iterator[None]:
    try:
        yield
    except ImportError as problem:
        raise OperatorError(
            f"a client needs its package, and Python says: {problem}",
            hint=f"pip install {' '.join(packages)}",
        ) from None
