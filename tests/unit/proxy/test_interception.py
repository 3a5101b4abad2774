import pytest

from keystead.api.http.message import HttpRequest
from keystead.proxy.interception import Route, asks_elsewhere, route_of


@pytest.mark.parametrize(
    ("host", "route"),
    [
        ("kms.cn-hangzhou.aliyuncs.com", Route.SERVE),
        ("kms.cn-hangzhou.aliyuncs.com.", Route.SERVE),
        ("location.aliyuncs.com.", Route.ASK),
        ("ram.aliyuncs.com.", Route.SERVE),
        ("kms-vpc.cn-beijing.aliyuncs.com", Route.SERVE),
        ("kms-intranet.cn-beijing.aliyuncs.com", Route.SERVE),
        ("sts.aliyuncs.com", Route.SERVE),
        ("sts.cn-hangzhou.aliyuncs.com", Route.SERVE),
        ("sts-vpc.cn-hangzhou.aliyuncs.com", Route.SERVE),
        ("sts.aliyuncs.com.evil.example", Route.PASS),
        ("xsts.aliyuncs.com", Route.PASS),
        ("ram.aliyuncs.com", Route.SERVE),
        ("ram-vpc.aliyuncs.com", Route.SERVE),
        ("ram.cn-hangzhou.aliyuncs.com", Route.REFUSE),
        ("ram.aliyuncs.com.evil.example", Route.PASS),
        ("location.aliyuncs.com", Route.ASK),
        ("location-readonly.aliyuncs.com", Route.ASK),
        ("location.cn-beijing.aliyuncs.com", Route.ASK),
        ("location.aliyuncs.com.evil.example", Route.PASS),
        ("oss-cn-hangzhou.aliyuncs.com", Route.PASS),
        ("kms.aliyuncs.com.evil.example", Route.PASS),
        ("kms.cn-hangzhou.aliyuncs.com.evil.example", Route.PASS),
        ("xkms.cn-hangzhou.aliyuncs.com", Route.PASS),
        ("localhost", Route.PASS),
    ],
)
def test_the_vendors_hosts_are_answered_and_all_others_left_alone(host: str, route: Route) -> None:
    assert route_of(host) is route


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("target", "headers", "body", "elsewhere"),
    [
        ("/?Action=DescribeEndpoints&ServiceCode=kms", {}, b"", False),
        ("/?Action=DescribeEndpoints&ServiceCode=Sts", {}, b"", False),
        ("/?Action=DescribeEndpoints&ServiceCode=ecs", {}, b"", True),
        ("/?Action=DescribeRegions&ServiceCode=kms", {}, b"", True),
        ("/?ServiceCode=kms", {"x-acs-action": "DescribeEndpoints"}, b"", False),
        ("/?ServiceCode=ecs", {"x-acs-action": "DescribeEndpoints"}, b"", True),
        ("/", FORM, b"Action=DescribeEndpoints&ServiceCode=ram", False),
        ("/", FORM, b"Action=DescribeEndpoints&ServiceCode=vpc", True),
        # The server says what is missing or broken.
        ("/?Action=DescribeEndpoints", {}, b"", False),
        ("/?Action=DescribeEndpoints&ServiceCode=ecs&ServiceCode=kms", {}, b"", False),
        ("/?a=%", {}, b"", False),
        ("/elsewhere", {}, b"", False),
        ("/", {}, b"", True),
    ],
)
def test_only_questions_for_endpoints_of_ours_are_answered_here(
    target: str, headers: dict[str, str], body: bytes, elsewhere: bool
) -> None:
    request = HttpRequest(method="POST", target=target, headers=headers, body=body)
    assert asks_elsewhere(request) is elsewhere


@pytest.mark.parametrize(
    "host", ["kms.aliyuncs.com", "kms-dualstack.cn-hangzhou.aliyuncs.com", "sts-x.cn-beijing.aliyuncs.com"]
)
def test_what_is_like_ours_and_not_answered_is_not_left_to_the_vendor(host: str) -> None:
    assert route_of(host) is Route.REFUSE
