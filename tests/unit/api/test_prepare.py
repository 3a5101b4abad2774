import msgspec

from keystead.api.http import receive
from keystead.api.http.message import Channel
from keystead.api.operation import CATALOGUE
from keystead.api.prepare import Prepared, prepare
from tests.harness import Service


def prepared(service: Service, asked: receive.Received) -> Prepared:
    return prepare(asked, CATALOGUE, "cn-hangzhou", service.world.vault)


def test_a_request_says_nothing_before_its_signature_was_verified() -> None:
    service = Service()
    asked = receive.receive(service.request("ListKeys"))
    service.world.vault._secrets.clear()
    found = prepared(service, asked)
    assert (found.signed, found.bound, found.signed_with) == (None, None, None)
    service.ok("ListKeys")  # from here on the secret is at hand
    found = prepared(service, asked)
    assert found.signed is not None
    assert found.bound is not None
    assert (found.signed.action, found.bound.action, found.signed_with is None) == (
        "ListKeys",
        "ListKeys",
        False,
    )


def test_a_wrong_signature_says_nothing_either() -> None:
    service = Service()
    service.ok("ListKeys")
    wrong = service.request("ListKeys", access_key=(service.access_key[0], "wrong"))
    found = prepared(service, receive.receive(wrong))
    assert (found.signed, found.bound, found.signed_with) == (None, None, None)


def test_what_came_by_the_control_socket_is_believed() -> None:
    service = Service()
    request = msgspec.structs.replace(service.request("ListKeys", host="h"), channel=Channel.CONTROL)
    found = prepared(service, receive.receive(request))
    assert found.bound is not None
    assert (found.bound.action, found.signed, found.host) == ("ListKeys", None, "h")
