"""A browser without a window over the console's application and a service in memory: cookies, forms with their tokens, links."""

import asyncio
import re
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from keystead.api.http.message import HttpResponse
from keystead.api.http.receive import Received
from keystead.clock import iso8601
from keystead.console.app import create_app
from keystead.console.carrier import Page, Served, carry
from keystead.domain.products import CONSOLE
from tests.harness import Service

HOST = "localhost:8443"


class Shown:
    """A page that was shown."""

    def __init__(self, response: HttpResponse, path: str) -> None:
        self.response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers}
        self.path = path
        self.html = response.body.decode("utf-8", "replace")
        self.text = re.sub(r"\s+", " ", _texts(self.html)).strip()

    def field(self, name: str) -> str:
        """The value of an input of this name."""
        return _inputs(self.html)[name]


class Browser:
    """One person's browser."""

    def __init__(
        self,
        service: Service,
        *,
        user: str = "",
        access_key: tuple[str, str] | None = None,
        language: str = "en",
    ) -> None:
        self.service = service
        self.cookies: dict[str, str] = {}
        self.language = language
        self.calls: list[Received] = []
        self._user = user
        self._access_key = access_key
        served = Served("test", service.region, service.account)
        self._app = create_app(self._call, served, service.clock, service.entropy)

    def get(self, path: str, **query: str) -> Shown:
        """A page below /console, after redirections."""
        return self._go("GET", f"/console{path}{'?' + urlencode(query) if query else ''}")

    def post(
        self,
        path: str,
        fields: dict[str, str] | list[tuple[str, str]] | None = None,
        *,
        files: dict[str, tuple[str, bytes]] | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Shown:
        """Send a form, with the token that this session's forms have; then follow redirections."""
        pairs = list(fields.items()) if isinstance(fields, dict) else list(fields or [])
        pairs.append(("form_token", self.form_token() if token is None else token))
        kind = "application/x-www-form-urlencoded"
        body = urlencode(pairs).encode()
        if files:
            kind, body = _multipart(pairs, files)
        given = {
            "content-type": kind,
            "content-length": str(len(body)),
            "origin": f"https://{HOST}",
            **(headers or {}),
        }
        return self._go(
            "POST", f"/console{path}", {name: value for name, value in given.items() if value}, body
        )

    def form_token(self) -> str:
        return _inputs(self._once("GET", "/console/design", {}, b"").body.decode() or "")["form_token"]

    def sign_in_as_owner(self) -> None:
        self.cookies["__Host-keystead-session"] = "owner"

    # --- inside

    def _go(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Shown:
        for _ in range(5):
            response = self._once(method, target, headers or {}, body)
            location = {name.lower(): value for name, value in response.headers}.get("location")
            if response.status not in (302, 303, 307) or location is None:
                return Shown(response, target)
            parts = urlsplit(location)
            method, headers, body = "GET", {}, b""
            target = parts.path + (f"?{parts.query}" if parts.query else "")
        raise AssertionError("it goes round in circles")

    def _once(self, method: str, target: str, headers: dict[str, str], body: bytes) -> HttpResponse:
        given = {
            "host": HOST,
            "accept": "text/html",
            "accept-language": self.language,
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            **headers,
        }
        response = asyncio.run(carry(self._app, Page(method, target, given, body, "192.0.2.7", "TLSv1.3")))
        for name, value in response.headers:
            if name.lower() == "set-cookie":
                for cookie in SimpleCookie(value).values():
                    if cookie["max-age"] == "0":
                        self.cookies.pop(cookie.key, None)
                    else:
                        self.cookies[cookie.key] = cookie.value
        return response

    async def _call(self, received: Received) -> HttpResponse:
        self.calls.append(received)
        if received.version == CONSOLE.version and received.action in (
            "GetSession",
            "CheckAccess",
            "ConfirmSession",
        ):
            return self._stand_in(received)
        parameters = {**received.parameters, "Version": received.version}
        request = self.service.request(received.action, parameters, access_key=self._access_key)
        return self.service.answer(request)[0].response

    def _stand_in(self, received: Received) -> HttpResponse:
        body: dict[str, Any] = {"RequestId": "x"}
        if not received.session:
            return HttpResponse(
                status=401, content_type="application/json", body=b'{"Code": "SessionExpired"}'
            )
        if received.action == "GetSession":
            body["Session"] = {
                "AccountId": self.service.account,
                "UserName": self._user,
                "UserId": "",
                "MFAPresent": False,
                "SessionId": "console-1",
                "ExpireDate": iso8601(self.service.clock.now() + 3600),
                "ConfirmedUntil": iso8601(self.service.clock.now() + 300),
                "Pending": "",
            }
        else:
            count = sum(1 for name in received.parameters if name.endswith(".Action"))
            body["Allowed"] = {"Allowed": [True] * count}
        return HttpResponse(status=200, content_type="application/json", body=msgspec.json.encode(body))


def _multipart(pairs: list[tuple[str, str]], files: dict[str, tuple[str, bytes]]) -> tuple[str, bytes]:
    lines = [
        f'--x-border\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in pairs
    ] + [
        f'--x-border\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, (file, content) in files.items()
    ]
    return "multipart/form-data; boundary=x-border", b"".join(lines) + b"--x-border--\r\n"


def _inputs(html: str) -> dict[str, str]:
    found: dict[str, str] = {}

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            values = dict(attrs)
            if tag == "input" and values.get("name"):
                found[values["name"] or ""] = values.get("value") or ""

    Parser().feed(html)
    return found


def _texts(html: str) -> str:
    parts: list[str] = []

    class Parser(HTMLParser):
        def handle_data(self, data: str) -> None:
            parts.append(data)

    Parser().feed(html)
    return " ".join(parts)
