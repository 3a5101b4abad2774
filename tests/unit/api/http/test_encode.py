import json

import pytest

from keystead.api.http.encode import failure, success
from keystead.api.wire_types import Empty
from keystead.errors import CODES, InvalidParameter, KeyNotFound, SignatureDoesNotMatch
from keystead.operations.kms.aliases import ListAliasesReply, ListedAlias, ListedAliases
from keystead.operations.kms.encryption import DecryptReply

PAGE = {"total_count": 0, "page_number": 1, "page_size": 10}


def test_an_empty_answer_has_the_request_id_only() -> None:
    response = success("EnableKey", Empty(), "r", False)
    assert response.body == b'{"RequestId":"r"}'
    assert response.content_type == "application/json;charset=utf-8"
    assert ("x-acs-request-id", "r") in response.headers
    assert success("EnableKey", Empty(), "r", True).body == (
        b"<?xml version='1.0' encoding='UTF-8'?><EnableKeyResponse><RequestId>r</RequestId></EnableKeyResponse>"
    )


def test_an_empty_list_keeps_its_wrapper() -> None:
    reply = ListAliasesReply(aliases=ListedAliases(alias=[]), **PAGE)
    assert json.loads(success("ListAliases", reply, "r", False).body)["Aliases"] == {"Alias": []}
    assert b"<Aliases></Aliases><TotalCount>0<" in success("ListAliases", reply, "r", True).body


def test_a_list_repeats_its_element_in_xml() -> None:
    rows = [ListedAlias(alias_name=f"alias/{name}", key_id="k", alias_arn="a") for name in "ab"]
    body = success("ListAliases", ListAliasesReply(aliases=ListedAliases(alias=rows), **PAGE), "r", True).body
    assert body.count(b"<Alias><AliasName>alias/") == 2


def test_what_xml_cannot_carry_is_refused() -> None:
    reply = DecryptReply(key_id="k", key_version_id="v", plaintext="a\x01")
    assert b"\\u0001" in success("Decrypt", reply, "r", False).body
    with pytest.raises(InvalidParameter):
        success("Decrypt", reply, "r", True)


def test_a_reply_does_not_show_its_members() -> None:
    assert "canary" not in repr(DecryptReply(key_id="k", key_version_id="v", plaintext="canary"))


@pytest.mark.parametrize("xml", [False, True])
def test_a_refusal_has_the_members_that_clients_read(xml: bool) -> None:
    response = failure(KeyNotFound(), "r", "kms.h", xml)
    assert response.status == 404
    if xml:
        assert response.content_type == "text/xml;charset=utf-8"
        assert response.body.startswith(
            b"<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>r</RequestId>"
        )
    else:
        members = json.loads(response.body)
        assert list(members) == ["RequestId", "HostId", "Code", "Message", "Recommend", "HttpStatus"]
        assert all(isinstance(members[name], str) for name in members if name != "HttpStatus")
        assert (members["Code"], members["HostId"]) == ("Forbidden.KeyNotFound", "kms.h")


def test_a_refusal_in_xml_is_well_formed_whatever_it_quotes() -> None:
    body = failure(SignatureDoesNotMatch(string_to_sign="<&\x00"), "r", "h", True).body
    assert b"&lt;&amp;?" in body


def test_an_answer_never_has_a_top_level_code() -> None:
    assert "Code" not in json.loads(success("EnableKey", Empty(), "r", False).body)


def test_every_message_can_be_written() -> None:
    names = (
        "name",
        "reason",
        "string_to_sign",
        "message",
        "code",
        "host",
        "about",
        "limit",
        "when",
        "seconds",
    )
    for kinds in CODES.values():
        for kind in kinds:
            assert kind(**dict.fromkeys(names, "x")).text
            assert 400 <= kind.status < 600
