import pytest

from keystead.proxy.interception import Route, route_of


@pytest.mark.parametrize(
    ("host", "route"),
    [
        ("kms.cn-hangzhou.aliyuncs.com", Route.SERVE),
        ("kms-vpc.cn-beijing.aliyuncs.com", Route.SERVE),
        ("kms-intranet.cn-beijing.aliyuncs.com", Route.SERVE),
        ("sts.aliyuncs.com", Route.SERVE),
        ("sts.cn-hangzhou.aliyuncs.com", Route.SERVE),
        ("sts-vpc.cn-hangzhou.aliyuncs.com", Route.SERVE),
        ("sts.aliyuncs.com.evil.example", Route.PASS),
        ("xsts.aliyuncs.com", Route.PASS),
        ("ram.aliyuncs.com", Route.REFUSE),
        ("oss-cn-hangzhou.aliyuncs.com", Route.PASS),
        ("kms.aliyuncs.com.evil.example", Route.PASS),
        ("kms.cn-hangzhou.aliyuncs.com.evil.example", Route.PASS),
        ("xkms.cn-hangzhou.aliyuncs.com", Route.PASS),
        ("localhost", Route.PASS),
    ],
)
def test_the_vendors_hosts_are_answered_and_all_others_left_alone(host: str, route: Route) -> None:
    assert route_of(host) is route
