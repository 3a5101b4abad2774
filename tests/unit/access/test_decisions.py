import pytest

from keystead.access.callers import Caller, CallerType
from keystead.access.decisions import authorize
from keystead.domain.products import KEYSTEAD, KMS
from keystead.errors import NoPermission

ROOT = Caller(account="1", type=CallerType.ROOT, principal="1")


def test_the_account_may_do_everything_to_its_own() -> None:
    authorize(ROOT, KMS, "Encrypt", ["acs:kms:r:1:key/k", "acs:kms:r:1:alias/a"])
    authorize(ROOT, KMS, "DescribeRegions", [])


@pytest.mark.parametrize("resource", ["acs:kms:r:2:key/k", "nonsense"])
def test_and_nothing_to_anybody_elses(resource: str) -> None:
    with pytest.raises(NoPermission):
        authorize(ROOT, KMS, "Encrypt", ["acs:kms:r:1:key/k", resource])


def test_our_own_product_is_the_operators() -> None:
    with pytest.raises(NoPermission):
        authorize(ROOT, KEYSTEAD, "ListAccessKeys", [])
    authorize(
        Caller(account="1", type=CallerType.OPERATOR, principal="operator"), KEYSTEAD, "ListAccessKeys", []
    )
