"""Checks of TLS: is the certificate believed, and until when are it and its CA good."""

from collections.abc import Iterator

from keystead.cli.diagnosis.finding import Finding, ok, problem, warning
from keystead.cli.diagnosis.scene import Scene
from keystead.client.handshake import EXPIRED, NOT_YET_VALID, OTHER_ADDRESS, OTHER_HOST, Handshake
from keystead.clock import iso8601
from keystead.server.network.listener import is_loopback

_DAY = 86400
CERTIFICATE_SOON = 14  # days; a server renews its own certificate 30 days before its end
_CAS = 3  # that are named
AUTHORITY_SOON = 180  # days, as the server's own log


def certificate(scene: Scene) -> Iterator[Finding]:
    """A client that trusts the CA file believes the certificate."""
    if scene.address is not None and not scene.address.tls:
        if is_loopback(scene.address.host):
            yield ok("certificate", "none: plain HTTP, within this machine")
        else:
            yield problem(
                "certificate",
                f"none: plain HTTP shows all that is sent to {scene.address.host} to the network",
                "serve HTTPS, and write https in the endpoint",
            )
    shaken = scene.handshake
    if shaken is None:
        return
    if shaken.refusal:
        yield problem("certificate", *disbelieved(scene, shaken))
        return
    end = f"until {until(shaken.served.expires, scene.now)}"
    if shaken.served.expires - scene.now < CERTIFICATE_SOON * _DAY:
        yield warning(
            "certificate",
            end,
            "put a newer one in the place of tls-cert and tls-key; one by the server's own CA renews itself, and "
            "where it does not the server's log says why",
        )
    else:
        yield ok("certificate", f"{end}, for {', '.join(shaken.served.names.all)}")


def authority(scene: Scene) -> Iterator[Finding]:
    """The CA that issued the certificate stays good for a while."""
    shaken = scene.handshake
    if shaken is None or shaken.authority is None:
        return
    end = f"{shaken.authority.subject}, until {until(shaken.authority.expires, scene.now)}"
    if shaken.authority.expires - scene.now < AUTHORITY_SOON * _DAY:
        yield warning(
            "CA",
            end,
            "keystead ca rotate on the server's host lets another one take over; give all clients its ca.pem",
        )
    else:
        yield ok("CA", f"{end}, in {scene.ca_file}")


def until(expires: int, now: float) -> str:
    """A day, and how far away it is."""
    days = int((expires - now) // _DAY)
    left = "1 day" if days == 1 else f"{days} days"
    return f"{iso8601(expires)[:10]} ({f'{left} left' if days >= 0 else 'expired'})"


def disbelieved(scene: Scene, shaken: Handshake) -> tuple[str, str]:
    """Why the certificate is not believed, and what to do."""
    served, address = shaken.served, scene.address
    assert address is not None
    if shaken.code in (NOT_YET_VALID, EXPIRED):
        told = f"the CA of {scene.url} is not good now: {shaken.refusal}"  # another one of the chain
        if not served.begins <= scene.now < served.expires:
            good = f"{iso8601(served.begins)} to {iso8601(served.expires)}"
            told = f"the certificate is good from {good}, and here it is {iso8601(scene.now)}"
        remedy = (
            "check this machine's clock; if it is right, the server's log says why it has no newer certificate, and "
            "keystead ca rotate there makes a new CA"
        )
    elif shaken.code in (OTHER_HOST, OTHER_ADDRESS):
        told = f"the certificate is for {', '.join(served.names.all)}, and not for {address.host}"
        remedy = (
            "call the server by one of these names; or on its host let keystead ca rotate --name "
            f"{address.host} add this one, and give all clients the new ca.pem"
        )
    elif scene.ca_file is None:
        told = f"it is by {served.issuer}, which this machine does not trust: {shaken.refusal}"
        remedy = "name the server's CA certificate with --ca FILE, or in KEYSTEAD_CA_FILE"
        if not scene.chosen.url:  # its operator brought the certificate, and --ca goes with --endpoint
            remedy = (
                f"name the server with --endpoint {scene.url} --ca FILE, or let this machine trust that CA"
            )
    else:
        known = "; ".join(one.subject for one in shaken.trusted[:_CAS])
        if len(shaken.trusted) > _CAS:
            known += f" and {len(shaken.trusted) - _CAS} more"
        told = f"it is by {served.issuer}, and {scene.ca_file} has {known}: {shaken.refusal}"
        remedy = "take the server's CA certificates anew: keystead ca show -o FILE on its host"
    return told, remedy


CHECKS = (certificate, authority)
