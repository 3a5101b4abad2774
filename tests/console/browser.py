"""A browser without a window over the console's application and a service in memory: cookies, forms with their tokens, links."""

import asyncio
import hashlib
import html
import re
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from keystead.api.http.message import HttpResponse
from keystead.api.http.receive import Received
from keystead.console.app import create_app
from keystead.console.carrier import Page, Served, carry
from keystead.console.visit import SESSION, VISITOR
from keystead.domain.products import RAM
from tests.at_console import owner_session, user_session
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

    def shown_text(self, name: str) -> str:
        """The text to copy of this id."""
        found = re.search(rf'<pre id="{name}"[^>]*>(.*?)</pre>', self.html, re.DOTALL)
        assert found is not None, self.text
        return html.unescape(found[1])

    def field(self, name: str) -> str:
        """The value of an input of this name."""
        return _inputs(self.html)[name]


class Browser:
    """One person's browser."""

    def __init__(self, service: Service, *, language: str = "en", source: str = "192.0.2.7") -> None:
        self.service = service
        self.cookies: dict[str, str] = {}
        self.language = language
        self.source = source
        self.calls: list[Received] = []
        self.instead: HttpResponse | None = None  # what the service answers to whatever is asked
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
        """That of the forms of this session, or of this browser before one."""
        secret = self.cookies.get(SESSION)
        if not secret:
            if VISITOR not in self.cookies:
                self._once("GET", "/console/sign-in", {}, b"")
            secret = self.cookies[VISITOR]
        return hashlib.sha256(f"form:{secret}".encode()).hexdigest()

    def sign_in_as_owner(self, account: str = "") -> "Browser":
        """Have a session of an account's owner."""
        self.cookies[SESSION] = owner_session(self.service, account)
        return self

    def sign_in(self, user: str) -> None:
        """Have a session of a RAM user, who exists."""
        self.cookies[SESSION] = user_session(self.service, user)

    def sign_in_as(self, user: str, *policies: str) -> "Browser":
        """Have a session of a RAM user, who is made with these system policies, or these documents."""
        make_user(self.service, user, *policies)
        self.sign_in(user)
        return self

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
        response = asyncio.run(carry(self._app, Page(method, target, given, body, self.source, "TLSv1.3")))
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
        return self.instead or self.service.take(received).response


def make_user(service: Service, user: str, *policies: str) -> None:
    """Make a RAM user who has these system policies by name, and these documents."""

    def ram(action: str, **parameters: str) -> None:
        response = service.send(service.request(action, {"Version": RAM.version, **parameters}))
        assert response.status in (200, 409), response.body

    ram("CreateUser", UserName=user)
    for number, policy in enumerate(policies):
        name, kind = policy, "System"
        if policy.startswith("{"):
            name, kind = f"{user}-{number}".replace(".", "-"), "Custom"
            ram("CreatePolicy", PolicyName=name, PolicyDocument=policy)
        ram("AttachPolicyToUser", UserName=user, PolicyType=kind, PolicyName=name)


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
