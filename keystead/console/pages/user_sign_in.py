"""How a RAM user signs in to the console: the login profile, and the MFA device."""

from starlette.responses import Response

from keystead.console import mfa
from keystead.console.locales import marked as N_
from keystead.console.passwords import beside, rules
from keystead.console.routing import Pages
from keystead.console.service import Refused
from keystead.console.typed import BARE, Typed, act, perhaps, read, send
from keystead.console.visit import Visit
from keystead.domain.arns import ram_arn
from keystead.domain.products import RAM

pages = Pages()

_HINTS = {"Password": N_("At most 128 characters.")}
_RIGHTS = (
    "ram:CreateLoginProfile",
    "ram:UpdateLoginProfile",
    "ram:DeleteLoginProfile",
    "ram:UnbindMFADevice",
)


@pages.get("/users/{name}/sign-in")
async def show(visit: Visit, name: str) -> Response:
    return await _tab(visit, name, BARE)


async def _tab(visit: Visit, name: str, form: Typed) -> Response:
    assert visit.session is not None
    profile = await perhaps(visit, "GetLoginProfile", {"UserName": name}, product=RAM)
    if isinstance(profile, Refused) and profile.code != "EntityNotExist.User.LoginProfile":
        raise profile
    device = await perhaps(visit, "GetUserMFAInfo", {"UserName": name}, product=RAM)
    arn = ram_arn(visit.account, "user", name)
    await visit.look_up_rights([(right, arn) for right in _RIGHTS])
    return visit.render(
        "users/sign_in.html",
        form.status,
        name=name,
        arn=arn,
        form=form,
        profile=None if isinstance(profile, Refused) else profile["LoginProfile"],
        device=None if isinstance(device, Refused) else device["MFADevice"],
        unseen=device if isinstance(device, Refused) and device.status != 404 else None,
        rules=rules(visit._, visit.session.password_policy),
    )


@pages.post("/users/{name}/sign-in/allow")
async def allow(visit: Visit, name: str) -> Response:
    """Give a user a password."""
    form = read(visit, "CreateLoginProfile", ["Password"], _HINTS, product=RAM)
    return await _set(visit, name, "CreateLoginProfile", form, "sign-in-allowed")


@pages.post("/users/{name}/sign-in")
async def change(visit: Visit, name: str) -> Response:
    """Give a user another password, or say what the user has to do."""
    form = read(visit, "UpdateLoginProfile", ["Password"], _HINTS, product=RAM)
    return await _set(visit, name, "UpdateLoginProfile", form, "saved")


async def _set(visit: Visit, name: str, action: str, form: Typed, done: str) -> Response:
    switches = {
        switch: "true" if visit.field(switch) else "false"
        for switch in ("PasswordResetRequired", "MFABindRequired")
    }
    reply, form = await send(visit, action, form, product=RAM, UserName=name, **switches)
    if reply is None:
        return await _tab(visit, name, beside(visit._, form))
    return visit.redirect(f"/users/{name}/sign-in", done=done)


@pages.post("/users/{name}/sign-in/end")
async def end(visit: Visit, name: str) -> Response:
    """Let a user sign in no longer."""
    refused = await act(visit, "DeleteLoginProfile", {"UserName": name}, product=RAM)
    if refused is not None:
        return await _tab(visit, name, BARE._replace(refused=refused))
    return visit.redirect(f"/users/{name}/sign-in", done="sign-in-ended")


@pages.post("/users/{name}/sign-in/unbind")
async def unbind(visit: Visit, name: str) -> Response:
    """Take the MFA device from a user who lost it."""
    try:
        await mfa.unbind(visit, name)
    except Refused as refused:
        if refused.code == "ConfirmationRequired":
            raise
        return await _tab(visit, name, BARE._replace(refused=refused))
    return visit.redirect(f"/users/{name}/sign-in", done="mfa-unbound")
