from urllib.parse import urlencode

import pytest

from keystead.api.http import receive, signature
from keystead.api.http.message import Channel, HttpRequest
from keystead.errors import BadRequest, InternalFailure, MissingParameter
from tests.harness import Service


def test_action_and_version_come_from_parameters_else_headers() -> None:
    headers = {"x-acs-action": "A", "x-acs-version": "V"}
    assert signature.action_and_version({"Action": "B", "Version": "W"}, headers) == ("B", "W")
    assert signature.action_and_version({}, headers) == ("A", "V")
    assert signature.action_and_version({}, {}) == ("", "")


@pytest.mark.parametrize(
    ("form", "accept", "xml"),
    [
        ("XML", "", True),
        ("xml", "application/json", True),
        ("JSON", "text/xml", False),
        ("json", "", False),
        ("None", "", False),
        ("none", "text/xml", True),
        ("", "application/xml", True),
        ("", "application/json, text/xml", False),
        ("", "*/*", False),
        ("yaml", "", False),
    ],
)
def test_format_in_any_case_else_accept(form: str, accept: str, xml: bool) -> None:
    assert receive.wants_xml({"Format": form}, {"accept": accept}) is xml


def test_a_signed_request_says_all_that_the_pipeline_needs() -> None:
    service = Service()
    found = receive.receive(service.request("Encrypt", {"Plaintext": "canary", "Format": "XML"}))
    assert (found.host, found.user_agent) == ("localhost:8443", "tests")
    assert (found.source, found.tls, found.channel, found.xml) == (
        "127.0.0.1", "TLSv1.3", Channel.NETWORK, True,
    )  # fmt: skip
    assert found.claims is not None
    assert b"&Plaintext=canary&" in found.claims.signed
    assert found.parameters == {}  # all of it is in what was signed
    assert found.claims.access_key_id == service.access_key[0]
    assert found.refusal is None
    assert "canary" not in repr(found)


def test_the_control_socket_needs_no_claims() -> None:
    request = HttpRequest(method="POST", target="/?Action=A", headers={}, channel=Channel.CONTROL)
    assert (receive.receive(request).claims, receive.receive(request).refusal) == (None, None)


def test_a_refusal_is_part_of_what_was_read() -> None:
    found = receive.receive(HttpRequest(method="POST", target="/?Plaintext=canary&Plaintext=b", headers={}))
    assert isinstance(found.refusal, BadRequest)
    assert isinstance(
        receive.receive(HttpRequest(method="GET", target="/", headers={})).refusal, MissingParameter
    )
    target = f"/?{urlencode({'Plaintext': 'canary', 'Format': 'xml'})}"
    unsigned = receive.receive(HttpRequest(method="POST", target=target, headers={}))
    assert (unsigned.xml, unsigned.parameters, unsigned.claims) == (True, {}, None)


def test_a_bug_is_a_refusal_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: HttpRequest) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(receive, "parse", broken)
    service = Service()
    request = service.request("ListKeys")
    refusal = receive.receive(request).refusal
    assert isinstance(refusal, InternalFailure)
    assert isinstance(refusal.__cause__, ZeroDivisionError)
    answer = service.answer(request)[0]
    assert (answer.response.status, answer.recorded) == (500, False)
    assert isinstance(answer.fault, ZeroDivisionError)


def test_host_and_user_agent_are_cut() -> None:
    headers = {"host": "h" * 300, "user-agent": "u" * 300}
    found = receive.receive(HttpRequest(method="POST", target="/", headers=headers))
    assert (len(found.host), len(found.user_agent)) == (256, 256)


@pytest.mark.parametrize(("port", "region"), [("8" * 228, "cn-beijing"), ("8" * 229, None)])
def test_a_host_that_is_too_long_names_nothing(port: str, region: str | None) -> None:
    service = Service()
    host = f"kms.cn-beijing.aliyuncs.com:{port}"
    assert len(host) == (256 if region else 257)
    request = service.request("CreateKey", host=host)
    refusal = receive.receive(request).refusal
    if region is not None:
        assert refusal is None
        assert service.send(request).status == 200
        assert service.records[-1].region == region
        return
    assert isinstance(refusal, BadRequest)
    assert "256" in refusal.text
    assert service.send(request).status == 400
    assert service.records == []
    assert len(receive.receive(request).host) == 256
