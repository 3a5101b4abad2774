"""Replies and refusals as the bytes that every official client parses.

JSON unless the client asked for XML. Success has `RequestId` last and never a top-level `Code`; a refusal always has
`Code`, `Message`, `RequestId`, `HostId` and `Recommend` as strings (some clients stumble over anything else) and the
service's own `HttpStatus`. XML: root `<ActionResponse>` or `<Error>`, content type exactly as the Tea clients expect.
"""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import msgspec

from keystead.api.http.message import HttpResponse
from keystead.domain.products import KMS
from keystead.errors import InvalidParameter, KmsError

if TYPE_CHECKING:
    from keystead.api.wire_types import Reply  # refusals are also written where no operation is known

JSON_TYPE = "application/json;charset=utf-8"
XML_TYPE = "text/xml;charset=utf-8"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_encode = msgspec.json.Encoder().encode


def success(action: str, reply: "Reply", request_id: str, xml: bool) -> HttpResponse:
    """The answer 200. InvalidParameter(Format) if a value has characters that XML cannot carry."""
    if xml:
        members = {**msgspec.to_builtins(reply), "RequestId": request_id}
        body = _xml(f"{action}Response", members)
        return _response(200, XML_TYPE, body, request_id)
    body = _encode(reply)
    separator = b"" if body == b"{}" else b","
    return _response(
        200, JSON_TYPE, b'%b%b"RequestId":"%b"}' % (body[:-1], separator, request_id.encode()), request_id
    )


def failure(
    error: KmsError, request_id: str, host: str, xml: bool, product: str = KMS.recommended_as
) -> HttpResponse:
    """The answer to a refused call of a product; without one known, it is taken for a call of Kms."""
    detail = error.values.get("detail")
    return refusal(error.status, error.code, error.text, request_id, host, xml, product, detail)


def refusal(
    status: int,
    code: str,
    text: str,
    request_id: str,
    host: str,
    xml: bool,
    product: str = KMS.recommended_as,
    detail: object = None,
) -> HttpResponse:
    """A refusal in the one shape that all clients parse, its status and code given as they are; `detail` says which policy
    refuses."""
    members: dict[str, Any] = {
        "RequestId": request_id,
        "HostId": host,
        "Code": code,
        "Message": text,
        "Recommend": f"https://api.aliyun.com/troubleshoot?q={quote(code)}&product={product}&requestId={request_id}",
        "HttpStatus": status,
    }
    if detail is not None:
        members["AccessDeniedDetail"] = detail
    if xml:
        members = _for_xml(members)
        return _response(status, XML_TYPE, _xml("Error", members), request_id)
    return _response(status, JSON_TYPE, _encode(members), request_id)


def _for_xml(members: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _for_xml(value) if isinstance(value, dict) else _NOT_XML.sub("?", str(value))
        for name, value in members.items()
    }


def _response(status: int, content_type: str, body: bytes, request_id: str) -> HttpResponse:
    return HttpResponse(
        status=status,
        content_type=content_type,
        body=body,
        headers=(("x-acs-request-id", request_id), ("Cache-Control", "no-store")),
    )


def _xml(root: str, members: dict[str, Any]) -> bytes:
    parts = ["<?xml version='1.0' encoding='UTF-8'?>"]
    _element(parts, root, members)
    return "".join(parts).encode()


def _element(parts: list[str], name: str, value: Any) -> None:
    if isinstance(value, list):
        # A list repeats the element: {"Key": [a, b]} is <Key>a</Key><Key>b</Key>.
        for item in value:
            _element(parts, name, item)
        return
    parts.append(f"<{name}>")
    if isinstance(value, dict):
        for member, inner in value.items():
            _element(parts, member, inner)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if _NOT_XML.search(text):
            raise InvalidParameter(name="Format")
        # A bare carriage return would be read back as a line feed (XML 1.0 section 2.11).
        parts.append(escape(text, {"\r": "&#13;"}))
    parts.append(f"</{name}>")
