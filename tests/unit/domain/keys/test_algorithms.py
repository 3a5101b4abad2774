import pytest

from keystead.domain.keys import algorithms
from keystead.domain.keys.algorithms import EXPORTS, IMPORTS, Use, good, names_in, wrapping
from keystead.domain.keys.key import KeySpec, KeyUsage, Origin
from keystead.errors import InvalidParameter

OWN, EXTERNAL = Origin.ALIYUN_KMS, Origin.EXTERNAL


def test_every_spec_is_for_something_and_has_its_algorithms() -> None:
    assert set(algorithms.USAGES) == set(KeySpec)
    for spec, usages in algorithms.USAGES.items():
        sign, seal = KeyUsage.SIGN_VERIFY in usages, KeyUsage.ENCRYPT_DECRYPT in usages
        assert sign == (spec in algorithms.SIGNATURES)
        assert seal == (spec in algorithms.ENCRYPTIONS or spec in algorithms.SYMMETRIC)
        assert (KeyUsage.GENERATE_VERIFY_MAC in usages) == (spec in algorithms.MACS)


@pytest.mark.parametrize("spec", list(KeySpec))
def test_a_key_is_good_for_its_usage_only(spec: KeySpec) -> None:
    for usage in algorithms.USAGES[spec]:
        fit = {use for use in Use if good(use, spec, usage, OWN)}
        if spec in algorithms.SYMMETRIC:
            assert fit == {Use.SYMMETRIC, Use.VERSIONS, Use.AUTOMATIC_ROTATION}
        elif usage is KeyUsage.GENERATE_VERIFY_MAC:
            assert fit == {Use.MAC}
        elif usage is KeyUsage.SIGN_VERIFY:
            assert fit == {Use.SIGNATURE, Use.PUBLIC_KEY, Use.VERSIONS}
        else:
            assert fit == {Use.ASYMMETRIC_ENCRYPTION, Use.PUBLIC_KEY, Use.VERSIONS}


def test_an_external_key_has_one_version() -> None:
    fit = {use for use in Use if good(use, KeySpec.AES_256, KeyUsage.ENCRYPT_DECRYPT, EXTERNAL)}
    assert fit == {Use.SYMMETRIC, Use.IMPORT}


def test_wrappings() -> None:
    assert wrapping("RSA_2048", "RSAES_PKCS1_V1_5", IMPORTS) is KeySpec.RSA_2048
    for spec, algorithm in (("RSA_2048", "RSAES_PKCS1_V1_5"), ("EC_SM2", "RSAES_OAEP_SHA_1")):
        with pytest.raises(InvalidParameter):
            wrapping(spec, algorithm, EXPORTS)


def test_the_names_of_a_table_each_once() -> None:
    assert names_in(EXPORTS) == ("RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1", "SM2PKE")
