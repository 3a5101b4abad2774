from keystead.api.bind import valid_region
from keystead.domain.regions import REGIONS


def test_regions_are_sorted_unique_and_well_formed() -> None:
    assert list(REGIONS) == sorted(set(REGIONS))
    assert all(valid_region(region) for region in REGIONS)
