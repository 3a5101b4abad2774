import pytest

import keystead.operations  # noqa: F401 - fills the catalogue
from keystead.api.catalogue import CATALOGUE
from keystead.domain.products import KEYSTEAD, KMS, PRODUCTS


def test_products_are_listed_by_action() -> None:
    actions = [one.action for one in CATALOGUE.of(KMS)]
    assert actions == sorted(actions)
    assert "Encrypt" in actions
    assert all(one.product == KEYSTEAD for one in CATALOGUE.of(KEYSTEAD))
    assert CATALOGUE.find("1999-01-01", "Encrypt") is None


def test_it_goes_by_product_and_action() -> None:
    listed = [(PRODUCTS.index(one.product), one.action) for one in CATALOGUE]
    assert listed == sorted(listed)
    families = CATALOGUE.families(KMS)
    assert list(families) == sorted(families)
    assert sorted(one.action for rows in families.values() for one in rows) == [
        one.action for one in CATALOGUE.of(KMS)
    ]


def test_an_action_is_there_once() -> None:
    with pytest.raises(ValueError, match="is declared twice"):
        CATALOGUE.add(CATALOGUE.of(KMS)[0])


@pytest.mark.parametrize(
    ("name", "taken"), [("KeyId", True), ("RegionId", True), ("DryRun", True), ("Keyid", False), ("", False)]
)
def test_which_parameters_an_operation_takes(name: str, taken: bool) -> None:
    found = CATALOGUE.find(KMS.version, "Encrypt")
    assert found is not None
    assert found.takes(name) is taken


def test_a_part_of_a_list_is_taken_with_it() -> None:
    found = CATALOGUE.find(KMS.version, "TagResources")
    assert found is not None
    assert found.takes("Tag.1.Key")
    assert not found.takes("Tags.1.Key")
