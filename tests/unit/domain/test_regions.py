from keystead.domain.regions import REGIONS
from keystead.forms import REGION


def test_regions_are_sorted_unique_and_well_formed() -> None:
    assert list(REGIONS) == sorted(set(REGIONS))
    assert all(REGION.fits(region) for region in REGIONS)
