from tests.harness import Service


def test_describe_regions_lists_the_servers_own_too() -> None:
    regions = [
        one["RegionId"] for one in Service(region="my-office").ok("DescribeRegions")["Regions"]["Region"]
    ]
    assert "cn-hangzhou" in regions
    assert "my-office" in regions
    assert regions == sorted(set(regions))
