"""Checks of who calls: is the AccessKey accepted, and does the clock let it."""

from collections.abc import Iterator

from keystead.cli.diagnosis.finding import Finding, ok, problem, trouble, warning
from keystead.cli.diagnosis.scene import Scene
from keystead.cli.target import Caller
from keystead.domain.accounts import claimed_id
from keystead.errors import LATER

_WINDOW = 900  # seconds that a request's time stamp may be off
CLOCK_SOON = 60  # seconds; a clock that nobody sets drifts on


def access_key(scene: Scene) -> Iterator[Finding]:
    """A signed call is accepted."""
    caller, refusal = scene.caller, scene.refusal
    if scene.handshake is not None and scene.handshake.refusal:
        yield warning(
            "AccessKey", "not tried, since the certificate is not believed", "settle the certificate first"
        )
    elif scene.untried is not None:
        yield trouble("AccessKey", scene.untried)
    elif caller is not None and refusal is not None:
        code = str(refusal["Code"])
        if code not in LATER:
            yield problem("AccessKey", *_refused(code, str(refusal.get("Message", "")), scene, caller))
    elif caller is not None and scene.answer is not None:
        account = scene.answer.members.get("AccountId")
        of = f" of account {account}" if account else ""
        yield ok("AccessKey", f"{shown_id(scene, caller)}{of}, from {caller.source}")


def clock(scene: Scene) -> Iterator[Finding]:
    """This machine's clock and the server's agree."""
    ahead = scene.clock_difference
    if ahead is None:
        return
    off = abs(ahead)
    if off <= 2:  # the server tells whole seconds
        yield ok("clock", "as the server's")
        return
    told = f"{duration(off)} {'behind' if ahead > 0 else 'ahead of'} the server's"
    if off <= CLOCK_SOON:
        yield ok("clock", told)
        return
    remedy = "set the one that is wrong, by NTP: timedatectl set-ntp true"
    if off > _WINDOW:
        yield problem("clock", f"{told}; it refuses what is off by more than 15 minutes", remedy)
    else:
        yield warning("clock", f"{told}; it refuses what is off by more than 15 minutes", remedy)


def shown_id(scene: Scene, caller: Caller) -> str:
    """The AccessKey id. People paste secrets in its place: what is of another form is shown once the server knows it."""
    given = caller.access_key[0]
    known = scene.answer is not None and scene.refusal is None
    return given if known or claimed_id(given) == given else "an AccessKey of another form"


def duration(seconds: float) -> str:
    """Some time for a person: two units at most."""
    whole = int(seconds)
    for size, unit, below, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def _refused(code: str, message: str, scene: Scene, caller: Caller) -> tuple[str, str]:
    """What a refusal of the AccessKey means, and what to do."""
    named = f"{shown_id(scene, caller)} (from {caller.source})"
    match code:
        case "InvalidAccessKeyId.NotFound":
            return (
                f"the server does not know {named}",
                f"is {scene.url} the server that is meant? keystead access-key create on its host makes one for it",
            )
        case "Forbidden.AccessKey":
            return (
                f"{named} is deactivated",
                "use another one; keystead access-key activate on the server's host lets it sign again",
            )
        case "SignatureDoesNotMatch":
            return (
                f"the secret is not that of {named}",
                "take both from the same place; keystead access-key create on the server's host makes a new pair",
            )
        case "InvalidTimeStamp.Expired":
            return (
                f"{named} was not accepted: the call came too late or too early",
                "set the clock, as said below",
            )
        case "InvalidSecurityToken.Malformed":
            return (
                f"{named} came with a security token, and the server makes none",
                "unset ALIBABA_CLOUD_SECURITY_TOKEN",
            )
        case _:
            return (
                f"{named} was refused: {code}: {message}",
                "keystead audit list on the server's host has the call",
            )


CHECKS = (access_key, clock)
