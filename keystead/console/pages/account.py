"""The signed-in person's own account: the session, the password, the MFA device."""

from starlette.responses import Response

from keystead.console import mfa
from keystead.console.locales import marked as N_
from keystead.console.passwords import beside, rules
from keystead.console.routing import Pages, Visitors
from keystead.console.service import Refused
from keystead.console.sessions import Session
from keystead.console.typed import BARE, Typed, read, send
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.products import RAM

pages = Pages()

_PASSWORDS = {"OldPassword": N_("At most 128 characters."), "NewPassword": N_("At most 128 characters.")}
_CODE = N_("Six digits.")
_CODES = {"AuthenticationCode1": _CODE, "AuthenticationCode2": _CODE}
_TAKEN = "EntityAlreadyExists.VirtualMFADevice"
_UNBIND = "ram:UnbindMFADevice"


def _session(visit: Visit) -> Session:
    assert visit.session is not None
    return visit.session


@pages.get("/account")
async def show(visit: Visit) -> Response:
    """Who is signed in, how, and until when."""
    return visit.render("account/session.html")


# --- the password


@pages.get("/account/password", Visitors.PENDING)
async def ask_password(visit: Visit) -> Response:
    return _password(visit, BARE)


@pages.post("/account/password", Visitors.PENDING)
async def change_password(visit: Visit) -> Response:
    """Change one's own password; all other sessions end."""
    form = read(visit, "ChangePassword", _PASSWORDS, _PASSWORDS, product=RAM)
    if not form.errors and visit.field("again") != form.values["NewPassword"]:
        form = form._replace(errors={"again": visit._("This is not the same password.")})
    reply, form = await send(visit, "ChangePassword", form, product=RAM)
    if reply is None:
        return _password(visit, beside(visit._, form))
    return visit.redirect("/account", done="password-changed")


def _password(visit: Visit, form: Typed) -> Response:
    return visit.render(
        "account/password.html",
        form.status,
        form=form,
        rules=rules(visit._, _session(visit).password_policy),
    )


# --- the MFA device


@pages.get("/account/mfa", Visitors.PENDING)
async def ask_device(visit: Visit) -> Response:
    return await _device(visit, BARE)


async def _device(visit: Visit, form: Typed) -> Response:
    session = _session(visit)
    arn = ram_arn(visit.account, "user", session.user)
    if session.mfa_bound:
        await visit.look_up_rights([(_UNBIND, arn)])
    return visit.render(
        "account/mfa.html", form.status, form=form, may_unbind=session.mfa_bound and visit.may(_UNBIND, arn)
    )


@pages.post("/account/mfa", Visitors.PENDING)
async def begin(visit: Visit) -> Response:
    """Make a device, and show what the app reads. One that was made before and never bound goes."""
    user = _session(visit).user
    try:
        try:
            made = await visit.call("CreateVirtualMFADevice", VirtualMFADeviceName=user, product=RAM)
        except Refused as refused:
            if refused.code != _TAKEN:
                raise
            serial = ram_arn(visit.account, "mfa", user)
            await visit.call("DeleteVirtualMFADevice", SerialNumber=serial, product=RAM)
            made = await visit.call("CreateVirtualMFADevice", VirtualMFADeviceName=user, product=RAM)
    except Refused as refused:
        return await _device(visit, BARE._replace(refused=refused))
    return _enrolment(visit, made["VirtualMFADevice"]["Base32StringSeed"], BARE)


def _enrolment(visit: Visit, seed: str, form: Typed) -> Response:
    return visit.render(
        "account/enrol.html",
        form.status,
        form=form,
        seed=seed,
        picture=mfa.picture(seed, visit.account, _session(visit).user),
    )


@pages.post("/account/mfa/bind", Visitors.PENDING)
async def bind(visit: Visit) -> Response:
    """Bind the device by two codes that it shows one after the other."""
    user, seed = _session(visit).user, visit.field("seed")
    if not mfa.is_seed(seed):
        return visit.redirect("/account/mfa")
    form = read(visit, "BindMFADevice", _CODES, _CODES, product=RAM)
    serial = ram_arn(visit.account, "mfa", user)
    reply, form = await send(visit, "BindMFADevice", form, product=RAM, UserName=user, SerialNumber=serial)
    if reply is not None:
        return visit.redirect("/account", done="mfa-bound")
    if form.refused is not None and form.refused.code == "CheckAuthenticationCodeFail":
        problem = visit._("These are not two codes of this app, one after the other. Wait for the next two.")
        form = form._replace(errors={"AuthenticationCode1": problem}, refused=None)
    return _enrolment(visit, seed, form)


@pages.post("/account/mfa/unbind")
async def unbind(visit: Visit) -> Response:
    """Take one's own device away."""
    try:
        await visit.confirm()
        await mfa.unbind(visit, _session(visit).user)
    except Refused as refused:
        return await _device(visit, BARE._replace(refused=refused))
    return visit.redirect("/account", done="mfa-unbound")
