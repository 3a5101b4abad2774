"""Virtual MFA devices: how an app on a phone is given its seed, and how a device is taken away."""

import re
from contextlib import suppress
from urllib.parse import quote, urlencode

import segno
from markupsafe import Markup

from keystead.console.service import Refused
from keystead.console.visit import Visit
from keystead.domain.products import RAM

_SEED = re.compile(r"[A-Z2-7]{16,128}")  # base32


def is_seed(text: str) -> bool:
    """Whether it is a seed as the service gives one out."""
    return _SEED.fullmatch(text) is not None


def picture(seed: str, account: str, name: str) -> Markup:
    """The QR code that an app reads, as SVG without styles: the Key URI Format of authenticator apps."""
    label = quote(f"Keystead:{name}@{account}", safe=":@")
    code = segno.make_qr(f"otpauth://totp/{label}?{urlencode({'secret': seed, 'issuer': 'Keystead'})}")
    # Dark on light, whatever the page's colours: not all apps read the other way around.
    svg = code.svg_inline(border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True)
    return Markup(svg)  # noqa: S704 - made of dots


async def unbind(visit: Visit, user: str) -> None:
    """Take the device from a user, and delete it if the person may: its seed is of no use any more."""
    device = await visit.call("UnbindMFADevice", UserName=user, product=RAM)
    with suppress(Refused):
        await visit.call("DeleteVirtualMFADevice", device["MFADevice"], product=RAM)


# What an encoder loads when it is first used is loaded here: later this process opens no files.
segno.make_qr("Keystead").svg_inline()
