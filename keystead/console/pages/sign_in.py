"""Signing in and out, and what a reader prefers."""

import re
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from keystead.console.locales import LANGUAGES
from keystead.console.routing import Pages, Visitors, sign_in_form
from keystead.console.service import Refused
from keystead.console.visit import LANGUAGE, REGION_COOKIE, THEME, THEMES, Visit
from keystead.domain.products import CONSOLE
from keystead.domain.sessions import short_code
from keystead.forms import REGION

pages = Pages()

_KEPT = "kept."  # before the names of what a form had that was posted after the session had ended
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")


@pages.get("/sign-in", Visitors.ANYBODY)
async def ask(visit: Visit) -> Response:
    if visit.session is not None:
        return visit.redirect("/")
    return sign_in_form(visit, next_page=visit.page("next"))


@pages.post("/sign-in", Visitors.ANYBODY)
async def sign_in(visit: Visit) -> Response:
    """With a password, and a code if there is an MFA device. The browser is given a token that it never had before."""
    kept = {
        name.removeprefix(_KEPT): value for name, value in visit.fields().items() if name.startswith(_KEPT)
    }
    try:
        reply = await visit.call(
            "CreateSession",
            product=CONSOLE,
            UserName=visit.field("user_name").strip(),
            Password=visit.field("password"),
            Code=visit.field("code").replace(" ", ""),
        )
    except Refused as refused:
        return sign_in_form(
            visit,
            refused.status,
            next_page=visit.page("next"),
            kept=kept,
            problem=_why_not(visit, refused),
            wants_code=refused.code in ("MfaCodeRequired", "MfaCodeWrong"),
        )
    await _begin(visit, reply["SessionToken"])
    path, _, query = visit.page("next").partition("?")
    query = urlencode({**dict(parse_qsl(query, keep_blank_values=True)), **kept})
    return visit.go_to(path + (f"?{query}" if query else ""))


async def _begin(visit: Visit, token: str) -> None:
    """The browser has another session now; the one that it had before is nobody's, and ends."""
    if visit.session is not None:
        with suppress(Refused):  # it has ended meanwhile
            await visit.call("DeleteSession", product=CONSOLE)
    visit.sign_in(token)


def _why_not(visit: Visit, refused: Refused) -> str:
    _ = visit._
    texts = {
        "SignInRefused": _(
            "The user name and the password do not belong together, or this user may not sign in."
        ),
        "MfaCodeRequired": _(
            "This user has an MFA device: give its code as well. The password is asked for again."
        ),
        "MfaCodeWrong": _("This code is not right, or was used before. Wait for the next one."),
        "PasswordExpired": _(
            "This password has expired. Whoever looks after the users can give you another one."
        ),
        "MissingParameter": _("Give your user name and your password."),
        "InvalidParameter": _("This is too long to be right."),
    }
    if refused.code == "TooManyAttempts" and (moment := _MOMENT.search(refused.message)):
        return _("Too many attempts failed. Try again after %(time)s.", time=_.time(moment[0]))
    return texts.get(refused.code, refused.message)


@pages.get("/link/{token}", Visitors.ANYBODY)
async def link(visit: Visit, token: str) -> Response:
    """Looking at the link uses nothing up; only the button does."""
    return visit.render("link.html", token=token, code=short_code(token), problem="")


@pages.post("/link", Visitors.ANYBODY)
async def redeem(visit: Visit) -> Response:
    try:
        reply = await visit.call("RedeemSignInLink", product=CONSOLE, Token=visit.field("token"))
    except Refused as refused:
        problem = (
            visit._("This link was used before, or its minute is over.")
            if refused.status < 500
            else refused.message
        )
        return visit.render("link.html", refused.status, token="", code="", problem=problem)
    await _begin(visit, reply["SessionToken"])
    return visit.redirect("/")


@pages.post("/sign-out", Visitors.PENDING)
async def sign_out(visit: Visit) -> Response:
    await visit.call("DeleteSession", product=CONSOLE)
    visit.sign_out()
    return visit.redirect("/sign-in", done="signed-out")


@pages.post("/preferences", Visitors.ANYBODY)
async def prefer(visit: Visit) -> Response:
    """Keep the language, appearance or region that was chosen, and show the page again."""
    if (tag := visit.field("language")) in {language.tag for language in LANGUAGES}:
        visit.set_cookie(LANGUAGE, tag)
    if (theme := visit.field("theme")) in (*THEMES, "system"):
        visit.set_cookie(THEME, "" if theme == "system" else theme, 0 if theme == "system" else 365 * 86400)
    if REGION.fits(region := visit.field("region")):
        visit.set_cookie(REGION_COOKIE, region)
    return visit.go_to(visit.page())


@pages.post("/confirm", Visitors.PENDING)
async def confirm(visit: Visit) -> Response:
    """A fresh proof of who it is, for what needs one."""
    try:
        await visit.confirm()
    except Refused as refused:
        problem = visit._("The password or code is not right.")
        error = problem if refused.code == "ConfirmationRefused" else refused.message
        return visit.render("confirm_first.html", refused.status, back=visit.page(), error=error)
    return visit.go_to(visit.page())
