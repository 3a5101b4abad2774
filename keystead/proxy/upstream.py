"""The server that a proxy speaks for: at a fixed URL, or whichever runs on a data directory now."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keystead.errors import OperatorError

# From OpenSSL's x509_vfy.h: X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH;
_OTHER_NAME = (62, 64)
_OTHER_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


class Gone(Exception):
    """No server answers now. Its text says why, for whoever wanted one."""


class Untrusted(Gone):
    """One answers that is not to be believed, or can't be, however often it is asked; `hint` is what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Upstream:
    """Connects to the server. With `description` (a server.json) it follows from one server to the next."""

    def __init__(self, *, url: str = "", ca_file: str | None = None, description: Path | None = None) -> None:
        if url:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise OperatorError(
                    f"{url!r} is not an endpoint",
                    hint="write it as https://HOST:PORT, for example https://kms:8443",
                )
        self._url = url
        self._ca_file = ca_file
        self._description = description
        self._context: tuple[object, ssl.SSLContext] | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A verified connection; Gone if there is none to be had."""
        url, ca_file = self._where()
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        shown = f"{parts.hostname} at port {port}"
        try:
            context = self._tls(ca_file) if secure else None
            return await asyncio.wait_for(
                asyncio.open_connection(
                    parts.hostname, port, ssl=context, server_hostname=parts.hostname if secure else None
                ),
                5,
            )
        except ssl.SSLCertVerificationError as error:
            message = f"the certificate of {shown} was not accepted: {error.verify_message.rstrip('.')}"
            if error.verify_code in _OTHER_NAME:
                raise Untrusted(message, "call the server by a name that its certificate has") from None
            if error.verify_code in _OTHER_TIME:
                raise Untrusted(message, "compare the clocks of both machines, and renew it") from None
            wrong = "its CA certificate is another one" if ca_file else "name its CA certificate with --ca"
            raise Untrusted(
                message, f"{wrong}; keystead ca show --pem prints it on the server's machine"
            ) from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):  # it is stopping, perhaps
            raise Gone(f"{shown} ended the connection") from None
        except ssl.SSLError as error:
            told = (error.reason or "").replace("_", " ").lower() or "it is not understood"
            raise Untrusted(f"{shown} does not speak TLS as it should: {told}", "check the URL") from None
        except TimeoutError:
            raise Gone(f"{shown} does not answer") from None
        except OSError as error:
            raise Gone(f"{shown} cannot be reached: {_reason(error)}") from None

    def _where(self) -> tuple[str, str | None]:
        if self._description is None:
            return self._url, self._ca_file
        try:
            found: dict[str, Any] = json.loads(self._description.read_bytes())
            return str(found["url"]), found["ca_file"]
        except (OSError, ValueError, KeyError):
            raise Gone(f"no server runs on {self._description.parent}") from None

    def _tls(self, ca_file: str | None) -> ssl.SSLContext:
        # A server that starts anew may have a new CA, so the context is kept only as long as the file is the same.
        try:
            state = None if ca_file is None else (ca_file, Path(ca_file).stat().st_mtime_ns)
            if self._context is None or self._context[0] != state:
                self._context = (state, ssl.create_default_context(cafile=ca_file))
        except OSError as error:  # SSLError, for what is no certificate, is one too
            reason = "it is no PEM certificate" if isinstance(error, ssl.SSLError) else _reason(error)
            raise Untrusted(f"cannot read the CA certificate {ca_file}: {reason}", "check --ca") from None
        return self._context[1]


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
