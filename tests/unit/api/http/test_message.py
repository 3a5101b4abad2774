from keystead.api.http.message import HttpRequest, HttpResponse


def test_neither_shows_what_it_carries() -> None:
    request = HttpRequest(method="POST", target="/?Plaintext=canary", headers={"a": "canary"}, body=b"canary")
    response = HttpResponse(status=200, content_type="x", body=b"canary")
    assert "canary" not in repr(request) + repr(response)
