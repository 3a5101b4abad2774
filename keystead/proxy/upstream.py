"""The server that a proxy speaks for: at a fixed URL, or whichever runs on a data directory now."""

import asyncio
import json
import os
import ssl
from pathlib import Path
from typing import Any

from keystead.client.handshake import EXPIRED, NOT_YET_VALID, OTHER_ADDRESS, OTHER_HOST
from keystead.client.transport import Address, reason, trust
from keystead.errors import OperatorError


class Gone(Exception):
    """No server answers now. Its text says why, for whoever wanted one."""


class Untrusted(Gone):
    """One answers that is not to be believed, or none ever can, however often it is asked; `hint` is what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Upstream:
    """Connects to the server. With `description` (a server.json) it follows from one server to the next."""

    def __init__(self, *, url: str = "", ca_file: str | None = None, description: Path | None = None) -> None:
        """OperatorError if the URL is no address, as of `Address.of`."""
        self._address = None if description is not None else Address.of(url)
        self._ca_file = ca_file
        self._description = description
        self._context: tuple[object, ssl.SSLContext] | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A verified connection; Gone if there is none to be had."""
        address, ca_file = self._where()
        host = address.host
        port = address.port or (443 if address.tls else 80)
        shown = f"{host} at port {port}"
        try:
            context = self._tls(ca_file) if address.tls else None
            return await asyncio.wait_for(
                asyncio.open_connection(
                    host, port, ssl=context, server_hostname=host if address.tls else None
                ),
                5,
            )
        except ssl.SSLCertVerificationError as error:
            message = f"the certificate of {shown} was not accepted: {error.verify_message.rstrip('.')}"
            if error.verify_code in (OTHER_HOST, OTHER_ADDRESS):
                raise Untrusted(message, "call the server by a name that its certificate has") from None
            if error.verify_code in (NOT_YET_VALID, EXPIRED):
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
        except UnicodeError:
            raise Untrusted(f"{host} is not a name that a host can have", "check the URL") from None
        except OSError as error:
            raise Gone(f"{shown} cannot be reached: {reason(error)}") from None

    def _where(self) -> tuple[Address, str | None]:
        if self._address is not None:
            return self._address, self._ca_file
        assert self._description is not None
        try:
            found: dict[str, Any] = json.loads(self._description.read_bytes())
            return Address.of(str(found["url"])), found["ca_file"]
        except (OSError, ValueError, KeyError, OperatorError):
            raise Gone(f"no server runs on {self._description.parent}") from None

    def _tls(self, ca_file: str | None) -> ssl.SSLContext:
        # A server that starts anew may have a new CA, so the context is kept only as long as the file is the same.
        state = None if ca_file is None else (ca_file, _modified(ca_file))
        if self._context is None or self._context[0] != state:
            try:
                self._context = (state, trust(ca_file))
            except OperatorError as problem:
                raise Untrusted(problem.message, problem.hint) from None
        return self._context[1]


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:  # who reads it says what is wrong with it
        return 0
