"""What a server shows in TLS, and whether a client that trusts certain CAs believes it; nothing is sent to the server."""

import socket
import ssl
from pathlib import Path

import msgspec

from keystead.client.transport import Address, reason, remedy, trust
from keystead.crypto.authority import Described, describe, describe_all
from keystead.errors import OperatorError, Unreachable

_SECONDS = 5.0

# OpenSSL's X509_V_ERR_…
NOT_YET_VALID, EXPIRED = 9, 10
OTHER_HOST, OTHER_ADDRESS = 62, 64


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate that is served, the CAs of the client's file, and why the client does not believe the certificate."""

    served: Described
    trusted: tuple[Described, ...] = ()  # of the file; none where the system's CAs are trusted
    refusal: str = ""  # OpenSSL's words; "": it is believed
    code: int = 0  # OpenSSL's number for them

    @property
    def authority(self) -> Described | None:
        """The CA of the file that issued the certificate; None if it is not there."""
        return next((one for one in self.trusted if one.subject == self.served.issuer), None)


def look(address: Address, ca_file: str | None) -> Handshake:
    """Connect twice: once to see what is served, once as a client that trusts the CAs of the file, or the system's.

    Unreachable if no TLS server answers there, OperatorError if the file or
    the certificate can't be read.
    """
    context = trust(ca_file)
    trusted: tuple[Described, ...] = ()
    if ca_file is not None:
        trusted = describe_all(Path(ca_file).read_bytes())
    refusal, code = "", 0
    try:
        shown = _certificate(address, _unbelieving())
        try:
            _certificate(address, context)
        except ssl.SSLCertVerificationError as error:
            refusal, code = error.verify_message, error.verify_code
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            f"cannot reach https://{address.netloc}: {reason(error)}",
            hint=remedy(address, error),
        ) from None
    except ValueError:
        raise OperatorError(
            f"what https://{address.netloc} shows is no certificate that can be read",
            hint="check the endpoint",
        ) from None
    return Handshake(served=shown, trusted=trusted, refusal=refusal, code=code)


def served(address: Address) -> Described | None:
    """The certificate that a server shows, believed or not; None if none is to be seen."""
    try:
        return _certificate(address, _unbelieving())
    except (OSError, UnicodeError):  # it is stopping, perhaps
        return None


def _unbelieving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what is served is looked at, and nothing is sent
    return context


def _certificate(address: Address, context: ssl.SSLContext) -> Described:
    with (
        socket.create_connection((address.host, address.port or 443), _SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=address.host) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
        assert shown is not None  # a server has one
        return describe(ssl.DER_cert_to_PEM_cert(shown).encode())
