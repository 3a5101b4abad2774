"""Signing in and out, and what a reader prefers."""

from starlette.responses import Response

from keystead.console.locales import LANGUAGES
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.visit import LANGUAGE, REGION_COOKIE, THEME, THEMES, Visit
from keystead.domain.products import CONSOLE
from keystead.domain.sessions import short_code
from keystead.forms import REGION

pages = Pages()


@pages.get("/sign-in", anybody=True)
async def ask(visit: Visit) -> Response:
    if visit.session is not None:
        return visit.redirect("/")
    return _form(visit)


def _form(visit: Visit, status: int = 200, problem: str = "", *, wants_code: bool = False) -> Response:
    return visit.render(
        "sign_in.html",
        status,
        next=visit.page("next"),
        lost=visit.field("lost"),
        user_name=visit.field("user_name"),
        problem=problem,
        wants_code=wants_code,
    )


@pages.post("/sign-in", anybody=True)
async def sign_in(visit: Visit) -> Response:
    _ = visit._
    names = ("user_name", "password", "code")
    user_name, password, code = (
        visit.field(name).strip() if name != "password" else visit.field(name) for name in names
    )
    try:
        reply = await visit.call(
            "CreateSession", product=CONSOLE, UserName=user_name, Password=password, Code=code
        )
    except Refused as refused:
        if refused.code == "MfaCodeRequired":
            return _form(visit, wants_code=True)
        texts = {
            "SignInRefused": _(
                "This user name and password do not belong together, or this user has no password."
            ),
            "MfaCodeInvalid": _("This code is not right, or was used before. Wait for the next one."),
        }
        problem = texts.get(refused.code, refused.message)
        return _form(visit, refused.status, problem, wants_code=bool(code))
    visit.sign_in(reply["SessionToken"])
    return visit.go_to(visit.page("next"))


@pages.get("/link/{token}", anybody=True)
async def link(visit: Visit, token: str) -> Response:
    """Looking at the link uses nothing up; only the button does."""
    return visit.render("link.html", token=token, code=short_code(token), problem="")


@pages.post("/link", anybody=True)
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
    visit.sign_in(reply["SessionToken"])
    return visit.redirect("/")


@pages.post("/sign-out")
async def sign_out(visit: Visit) -> Response:
    await visit.call("DeleteSession", product=CONSOLE)
    visit.sign_out()
    return visit.redirect("/sign-in", done="signed-out")


@pages.post("/preferences", anybody=True)
async def prefer(visit: Visit) -> Response:
    """Keep the language, appearance or region that was chosen, and show the page again."""
    if (tag := visit.field("language")) in {language.tag for language in LANGUAGES}:
        visit.set_cookie(LANGUAGE, tag)
    if (theme := visit.field("theme")) in (*THEMES, "system"):
        visit.set_cookie(THEME, "" if theme == "system" else theme, 0 if theme == "system" else 365 * 86400)
    if REGION.fits(region := visit.field("region")):
        visit.set_cookie(REGION_COOKIE, region)
    return visit.go_to(visit.page())


@pages.post("/confirm")
async def confirm(visit: Visit) -> Response:
    """A fresh proof of who it is, for what needs one."""
    try:
        await visit.confirm()
    except Refused as refused:
        return visit.render("confirm_first.html", refused.status, back=visit.page(), error=refused.message)
    return visit.go_to(visit.page())
