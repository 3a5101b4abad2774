import json

import pytest

import keystead.operations
from keystead.api.catalogue import CATALOGUE, Catalogue, Operation
from keystead.api.catalogue_data import read, written
from keystead.cli.commands.kms import overview
from keystead.domain.products import KMS, STS


@pytest.fixture(scope="module")
def copied() -> Catalogue:
    made = Catalogue()
    for one in read(json.loads(json.dumps(written(CATALOGUE)))):
        made.add(one)
    return made


@pytest.mark.parametrize("one", list(CATALOGUE), ids=lambda one: f"{one.product.name} {one.action}")
def test_all_that_the_command_line_says_of_an_operation_is_data(copied: Catalogue, one: Operation) -> None:
    found = copied.find(one.product.version, one.action)
    assert found is not None
    for name in ("product", "action", "summary", "family", "changes"):
        assert getattr(found, name) == getattr(one, name)
    assert found.reply.shape() == one.reply.shape()
    assert found.parameters == one.parameters
    for mine, theirs in zip(found.fields, one.fields, strict=True):
        assert mine._replace(param=theirs.param) == theirs
        for name in ("kind", "limits", "sensitive", "role", "choices", "empty", "binary", "errors"):
            assert getattr(mine.param, name) == getattr(theirs.param, name)


def test_the_lists_are_the_same(copied: Catalogue) -> None:
    assert keystead.operations.__doc__
    for product in (KMS, STS):
        assert overview(copied, product, ()) == overview(CATALOGUE, product, ())
        assert len(copied.of(product)) == len(CATALOGUE.of(product)) > 0


def test_nothing_can_be_carried_out_with_it(copied: Catalogue) -> None:
    one = copied.of(KMS)[0]
    with pytest.raises(TypeError, match="carried out by a server"):
        one.function(None, None)
