import base64

import pytest

from keystead.domain.keys.algorithms import MACS
from keystead.domain.keys.key import KeySpec
from tests.harness import Service, base64_of

LENGTHS = {"HMAC_SHA_224": 28, "HMAC_SHA_256": 32, "HMAC_SHA_384": 48, "HMAC_SHA_512": 64, "HMAC_SM3": 32}


@pytest.mark.parametrize("spec", MACS)
def test_a_code_is_of_one_message_and_one_key(spec: KeySpec) -> None:
    service = Service()
    key_id, other = service.key(KeySpec=spec), service.key(KeySpec=spec)
    coding = {"KeyId": key_id, "Algorithm": spec, "Message": base64_of(b"m" * 6144)}
    coded = service.ok("GenerateMac", **coding)
    assert list(coded) == ["KeyId", "Algorithm", "Mac", "RequestId"]
    assert len(base64.b64decode(coded["Mac"])) == LENGTHS[spec]
    assert service.ok("GenerateMac", **coding)["Mac"] == coded["Mac"]

    def holds(**changes: str) -> bool:
        return bool(service.ok("VerifyMac", **{**coding, "Mac": coded["Mac"], **changes})["Value"])

    assert holds()
    assert not holds(Message=base64_of(b"m"))
    assert not holds(KeyId=other)
    assert not holds(Mac=base64_of(base64.b64decode(coded["Mac"])[:-1]))
    for name, value in (("Message", base64_of(bytes(6145))), ("Message", "?"), ("Algorithm", "none")):
        assert service.refused("GenerateMac", **{**coding, name: value}) == "InvalidParameter"
    wrong = next(one for one in MACS if one != spec)
    assert service.refused("GenerateMac", **{**coding, "Algorithm": wrong}) == "InvalidParameter"
    assert service.refused("VerifyMac", **{**coding, "Algorithm": wrong, "Mac": "AA=="}) == "InvalidParameter"
    service.ok("DisableKey", KeyId=key_id)
    assert service.refused("VerifyMac", **coding, Mac=coded["Mac"]) == "Rejected.Disabled"


def test_other_keys_make_no_codes() -> None:
    service = Service()
    coding = {"Algorithm": "HMAC_SM3", "Message": "AA=="}
    assert service.refused("GenerateMac", KeyId=service.key(), **coding) == "Rejected.UnsupportedOperation"
