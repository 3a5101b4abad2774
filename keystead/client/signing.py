"""Signs a request with ACS3-HMAC-SHA256, the scheme of the vendor's current SDKs."""

import hashlib
import hmac
from collections.abc import Mapping

from keystead.api.http.percent import canonical_query
from keystead.clock import iso8601


def sign(
    *,
    host: str,
    action: str,
    version: str,
    parameters: Mapping[str, str],
    access_key: tuple[str, str],
    security_token: str,
    now: float,
    nonce: str,
) -> tuple[str, dict[str, str]]:
    """Query string and headers of a POST with an empty body. `host` has its port unless that is the default one."""
    query = canonical_query(parameters.items()).decode()
    headers = {
        "host": host,
        "accept": "application/json",
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": iso8601(now),
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }
    if security_token:
        headers |= {"x-acs-accesskey-id": access_key[0], "x-acs-security-token": security_token}
    names = sorted(headers)
    signed = ";".join(names)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical = "\n".join(("POST", "/", query, lines, signed, headers["x-acs-content-sha256"]))
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(access_key[1].encode(), to_sign.encode(), "sha256").hex()
    headers["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={access_key[0]},SignedHeaders={signed},Signature={signature}"
    )
    return query, headers
