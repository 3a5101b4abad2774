"""One request to the console: who visits, in which language, with what in the form, and what is answered."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from keystead.console.carrier import ROOT
from keystead.console.core import Console
from keystead.console.locales import LANGUAGES, Translator, choose, translator
from keystead.console.menu import MENU
from keystead.console.notices import NOTICES
from keystead.console.service import Refused, Service
from keystead.console.sessions import Session
from keystead.domain.arns import key_arn
from keystead.domain.products import CONSOLE
from keystead.forms import REGION

SESSION = "__Host-keystead-session"
VISITOR = "__Host-keystead-visitor"  # before sign-in: binds forms to this browser
LANGUAGE, THEME, REGION_COOKIE = "keystead-language", "keystead-theme", "keystead-region"
THEMES = ("light", "dark")
_YEAR = 365 * 86400
_SLACK = 20.0  # seconds that a form may take to be filled in, before what was confirmed is not any more


class Visit:
    """One request, and what there is to know of whoever sent it."""

    def __init__(self, console: Console, request: Request) -> None:
        self.console = console
        self.request = request
        self.token = request.cookies.get(SESSION, "")
        self.visitor = request.cookies.get(VISITOR, "")
        self.session: Session | None = None
        self._new_cookies: list[tuple[str, str, int]] = []
        if not self.visitor and not self.token:
            self.visitor = console.new_token()
            self.set_cookie(VISITOR, self.visitor, 0)
        self._rights: dict[tuple[str, str], bool] = {}
        self._form: FormData | None = None
        self.language = choose(request.cookies.get(LANGUAGE, ""), request.headers.get("accept-language", ""))
        self._: Translator = translator(self.language)
        chosen = request.cookies.get(REGION_COOKIE, "")
        self.region = chosen if REGION.fits(chosen) else console.served.region
        self.call = Service(
            console.call,
            session=self.token,
            source=request.client.host if request.client else "",
            host=request.headers.get("host", ""),
            tls=request.scope.get("tls", ""),
            region=self.region,
        )

    # --- who

    async def find_session(self) -> Session | None:
        """Who is signed in, if anybody is."""
        if self.token:
            try:
                self.session = Session.of(await self.call("GetSession", product=CONSOLE))
            except Refused as refused:
                if refused.status != 401:
                    raise
        return self.session

    @property
    def account(self) -> str:
        assert self.session is not None
        return self.session.account

    def key_arn(self, key_id: str) -> str:
        """The ARN of a key of this account and region."""
        return key_arn(self.account, self.region, key_id)

    @property
    def confirmed(self) -> bool:
        """Whether the person proved of late who it is, so that what can't be undone is not asked for again."""
        assert self.session is not None
        until = self.session.confirmed_until
        return until != "" and datetime.fromisoformat(until).timestamp() > self.console.clock.now() + _SLACK

    async def confirm(self) -> None:
        """Give the service the proof that the form brought, if it has any. Refused if it is wrong."""
        password, code = self.field("confirm_password"), self.field("confirm_code").strip()
        if password or code:
            await self.call("ConfirmSession", product=CONSOLE, Password=password, Code=code)
            await self.find_session()

    async def look_up_rights(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Find out what the person may do: pairs of an action like kms:Encrypt and a resource's ARN, for `may`."""
        pairs = [pair for pair in dict.fromkeys(wanted) if pair not in self._rights]
        for begin in range(0, len(pairs), 100):
            some = pairs[begin : begin + 100]
            given = {}
            for number, (action, resource) in enumerate(some, 1):
                given[f"Need.{number}.Action"], given[f"Need.{number}.Resource"] = action, resource
            found = await self.call("CheckAccess", given, product=CONSOLE)
            allowed = found["Allowed"]["Allowed"]
            self._rights |= dict(zip(some, allowed, strict=True))

    def may(self, action: str, resource: str) -> bool:
        """Whether the person may do it; it was looked up before."""
        return self._rights[action, resource]

    # --- the form

    @property
    def form_token(self) -> str:
        """What each form of this session, or of this browser before sign-in, has to send back."""
        return hashlib.sha256(f"form:{self.token or self.visitor}".encode()).hexdigest()

    def from_here(self) -> bool:
        """Whether a form was sent from a page of this very host: the Origin says so, or there is none and it is not."""
        headers = self.request.headers
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        try:
            origin = urlsplit(headers.get("origin", ""))
        except ValueError:  # as `http://[`
            return False
        # Behind a proxy that does not say so this host may have TLS all the same.
        schemes = ("https",) if self.request.url.scheme == "https" else ("http", "https")
        return origin.scheme in schemes and origin.netloc.lower() == headers.get("host", "").lower()

    async def read_form(self) -> bool:
        """Read what was sent; whether it has the form's token."""
        _, options = parse_options_header(self.request.headers.get("content-type", ""))
        if options.get(b"charset", b"utf-8").lower() != b"utf-8":
            # No browser sends another one, and what some make of bytes is no text: half a surrogate can't be handed on.
            self._form = FormData()
            return False
        self._form = await self.request.form(max_files=4, max_fields=500)
        return hmac.compare_digest(self.field("form_token").encode(), self.form_token.encode())

    def field(self, name: str, default: str = "") -> str:
        """A field of the form that was sent, or of the address."""
        value = self._form.get(name) if self._form is not None else self.request.query_params.get(name)
        return value if isinstance(value, str) else default

    def fields(self) -> dict[str, str]:
        """All fields of the form, or of the address; of several with one name the last."""
        given: Mapping[str, Any] = self._form if self._form is not None else self.request.query_params
        return {
            name: value for name, value in given.items() if isinstance(value, str) and name != "form_token"
        }

    def several(self, name: str) -> list[str]:
        """All fields of one name."""
        given = self._form if self._form is not None else self.request.query_params
        return [value for value in given.getlist(name) if isinstance(value, str)]

    def page(self, name: str = "page") -> str:
        """The page that a form was on, or is to lead to, with its query: one of the console, and nothing else."""
        path = self.field(name, "/")
        inside = path.startswith("/") and not path.startswith("//") and "\\" not in path
        return path if inside and path.isascii() and path.isprintable() else "/"

    async def file(self, name: str) -> bytes | None:
        """A file that was sent with the form; None if none was chosen."""
        value = self._form.get(name) if self._form is not None else None
        if not isinstance(value, UploadFile) or not value.filename:
            return None
        return await value.read()

    def file_name(self, name: str) -> str:
        value = self._form.get(name) if self._form is not None else None
        return value.filename or "" if isinstance(value, UploadFile) else ""

    # --- answers

    def render(self, template: str, /, status: int = 200, **values: Any) -> Response:
        """A page."""
        done = self.request.query_params.get("done", "")
        shown = self.console.environment.get_template(template).render(
            _=self._,
            visit=self,
            session=self.session,
            languages=LANGUAGES,
            theme=self.theme,
            notice=NOTICES.get(done, ""),
            **values,
        )
        return HTMLResponse(shown, status)

    @property
    def menu(self) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        """The menu of every page."""
        return MENU

    def redirect(self, path: str, /, done: str = "", **query: str) -> Response:
        """Go on at another page of the console (303), which says what was done: a name in `notices`."""
        assert path.startswith("/")
        given = {**query, **({"done": done} if done else {})}
        return RedirectResponse(f"{ROOT}{path}{'?' + urlencode(given) if given else ''}", 303)

    def go_to(self, page: str) -> Response:
        """Go on at a page that `page` gave (303)."""
        return RedirectResponse(f"{ROOT}{page}", 303)

    def download(self, name: str, content: bytes, content_type: str = "application/octet-stream") -> Response:
        """A file for the reader to keep."""
        plain = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in name)
        return Response(
            content,
            media_type=content_type,
            headers={"Content-Disposition": f'attachment; filename="{plain[:100] or "file"}"'},
        )

    @property
    def theme(self) -> str:
        chosen = self.request.cookies.get(THEME, "")
        return chosen if chosen in THEMES else ""

    @property
    def path(self) -> str:
        """Where we are, below the console's root, with the query; after a form was sent, the page that it stands on. What
        was just done is left out: it is said once."""
        if self._form is not None:
            return self.page()
        given = parse_qsl(self.request.url.query, keep_blank_values=True)
        query = urlencode([(name, value) for name, value in given if name != "done"])
        return self.request.url.path.removeprefix(ROOT) + (f"?{query}" if query else "")

    def set_cookie(self, name: str, value: str, seconds: int = _YEAR) -> None:
        """Have the browser keep a value; for a session 0: until it is closed."""
        self._new_cookies.append((name, value, seconds))

    def sign_in(self, token: str) -> None:
        """The browser is signed in from now on, with a token that it never had before."""
        self.set_cookie(SESSION, token, 0)

    def sign_out(self) -> None:
        self.set_cookie(SESSION, "", -1)

    def finish(self, response: Response) -> Response:
        """The answer with its cookies."""
        for name, value, seconds in self._new_cookies:
            response.set_cookie(
                name,
                value,
                max_age=None if seconds == 0 else max(seconds, 0),
                path="/",
                secure=True,
                httponly=True,
                samesite="strict",
            )
        return response
