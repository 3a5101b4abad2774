"""HTTP/1.1 as far as a proxy needs it that answers or hands on one request: heads as lines, the request line first."""

import asyncio
import re

from keystead.api.http.message import HttpRequest

END_OF_HEAD = b"\r\n\r\n"
_BODY = 4 * 1024 * 1024
_HOP_BY_HOP = ("proxy-authorization", "proxy-connection", "connection", "keep-alive")


async def one_request(reader: asyncio.StreamReader) -> tuple[list[str], bytes]:
    """The lines of a request's head, and its body as far as Content-Length says that there is one."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode("latin-1")
    lines = head.split("\r\n")
    return lines, await body_of(lines, reader)


async def body_of(lines: list[str], reader: asyncio.StreamReader) -> bytes:
    """What Content-Length says that follows a head; a body that comes in chunks is left unread."""
    length = headers_of(lines).get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 8):
        return b""
    return await asyncio.wait_for(reader.readexactly(min(int(length), _BODY)), 60)


async def whole_body(headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
    """The body that follows a head with these headers, as it comes: its length is told, or it is in chunks, else there is
    none. ConnectionError if it is too long, or in no such form."""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 8 and int(length) <= _BODY):
            raise ConnectionError("a body of no possible length")
        return await reader.readexactly(int(length))
    body, size = b"", 1
    while size:
        line = await reader.readuntil(b"\r\n")
        digits = line.partition(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,6}", digits):
            raise ConnectionError("a chunk of no possible length")
        size = int(digits, 16)
        body += line
        if size:
            body += await reader.readexactly(size + 2)
        if len(body) > _BODY:
            raise ConnectionError("a body of no possible length")
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        body += line
    return body + line


def headers_of(lines: list[str]) -> dict[str, str]:
    """The headers of a head by lower-case name."""
    pairs = (line.partition(":") for line in lines[1:] if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def as_request(lines: list[str], body: bytes) -> HttpRequest:
    """The same as the protocol core takes it, whatever is missing of it."""
    method, target, _ = [*lines[0].split(" ", 2), "", ""][:3]
    return HttpRequest(method=method, target=target, headers=headers_of(lines), body=body)


def once(lines: list[str], body: bytes, *more: str) -> bytes:
    """A request that is the only one of its connection, since the next one might be for another host: without what is meant
    for this proxy, and with more header lines."""
    kept = [line for line in lines[1:] if line and line.partition(":")[0].strip().lower() not in _HOP_BY_HOP]
    head = [lines[0], *kept, *more, "Connection: close", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


async def say(
    writer: asyncio.StreamWriter,
    status: str,
    body: str,
    *headers: str,
    kind: str = "text/plain;charset=utf-8",
) -> None:
    """Answer, for the last time on this connection."""
    content = body.encode()
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content)}",
        *headers,
        "Connection: close",
        "",
        "",
    ]
    writer.write("\r\n".join(lines).encode() + content)
    await writer.drain()
