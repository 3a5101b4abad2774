import re

from keystead.domain.products import KEYSTEAD, KMS, LOCATION, PRODUCTS, STS, Product, endpoint_of

RAM = Product(name="Ram", version="2015-05-01", hosts=re.compile(r"ram\.aliyuncs\.com"), recommended_as="Ram")


def test_an_endpoint_names_its_region() -> None:
    for host, region in (
        ("kms.cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ("kms-vpc.cn-beijing.aliyuncs.com", "cn-beijing"),
        ("kms-intranet.eu-central-1.aliyuncs.com", "eu-central-1"),
    ):
        assert KMS.serves(host)
        assert KMS.region_in(host) == region


def test_other_hosts_are_none_of_its_endpoints() -> None:
    for host in (
        "localhost",
        "",
        "kms.aliyuncs.com",
        "xkms.cn-hangzhou.aliyuncs.com",
        "kms.a.aliyuncs.com.evil.example",
    ):
        assert not KMS.serves(host)
        assert KMS.region_in(host) == ""


def test_a_product_may_have_one_endpoint_for_all_regions_or_none() -> None:
    assert RAM.serves("ram.aliyuncs.com")
    assert RAM.region_in("ram.aliyuncs.com") == ""
    for host in ("sts.aliyuncs.com", "sts.cn-hangzhou.aliyuncs.com", "sts-vpc.cn-beijing.aliyuncs.com"):
        assert STS.serves(host)
        assert STS.region_in(host) == ""
    nowhere = Product(name="Inside", version="1", hosts=None, recommended_as="Inside")
    assert not nowhere.serves("")
    assert not nowhere.serves("kms.cn-hangzhou.aliyuncs.com")


def test_a_product_of_one_endpoint_has_no_regions() -> None:
    assert [one.regional for one in (KMS, KEYSTEAD, STS, RAM)] == [True, True, False, False]
    assert Product(name="Inside", version="1", hosts=None, recommended_as="Inside").regional


def test_versions_name_the_products() -> None:
    assert len({one.version for one in PRODUCTS}) == len(PRODUCTS)
    assert [one for one in PRODUCTS if one.for_operator_only] == [KEYSTEAD]


def test_the_location_service_has_several_hosts() -> None:
    for host in (
        "location.aliyuncs.com",
        "location-readonly.aliyuncs.com",
        "location.cn-beijing.aliyuncs.com",
        "location-readonly.cn-beijing.aliyuncs.com",
        "location-vpc.cn-beijing.aliyuncs.com",
    ):
        assert LOCATION.serves(host)
        assert LOCATION.region_in(host) == ""
    for host in ("location-inner.example", "xlocation.aliyuncs.com", "location.a.b.aliyuncs.com"):
        assert not LOCATION.serves(host)


def test_what_the_location_service_says_of_us_is_ours() -> None:
    found = [endpoint_of(code, "cn-beijing") for code in ("kms", "Sts", "RAM")]
    assert found == ["kms.cn-beijing.aliyuncs.com", "sts.cn-beijing.aliyuncs.com", "ram.aliyuncs.com"]
    assert KMS.serves(found[0] or "")
    assert endpoint_of("ecs", "cn-beijing") is None
