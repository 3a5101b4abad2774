"""The environment in which official clients work unmodified, made from the one that `run` was given.

What a client reads was found in its source: see docs/adr/0008. Variables are added or replaced; PYTHONPATH, NODE_OPTIONS
and JAVA_TOOL_OPTIONS are extended. Nothing is written but CA bundles, in a directory of the caller's.
"""

import hashlib
import os
import re
import shlex
import ssl
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import msgspec

from keystead import variables
from keystead.crypto.trust_store import make_trust_store, trusted_by
from keystead.errors import OperatorError
from keystead.proxy import java

ID_NAMES = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABACLOUD_ACCESS_KEY_ID",
    "ALICLOUD_ACCESS_KEY_ID",
    "ALICLOUD_ACCESS_KEY",
    "ALIYUN_ACCESS_KEY_ID",
    "ACCESS_KEY_ID",
)
_SECRET_NAMES = (
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABACLOUD_ACCESS_KEY_SECRET",
    "ALICLOUD_ACCESS_KEY_SECRET",
    "ALICLOUD_SECRET_KEY",
    "ALIYUN_ACCESS_KEY_SECRET",
    "ACCESS_KEY_SECRET",
)
_REGION_NAMES = (
    "ALIBABA_CLOUD_REGION_ID",
    "ALIBABACLOUD_REGION_ID",
    "ALICLOUD_REGION_ID",
    "ALIBABA_CLOUD_REGION",
    "ALICLOUD_REGION",
    "REGION_ID",
)
PROXY_NAMES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
BUNDLE_NAMES = ("ALIBABA_CLOUD_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# Other credentials, and other endpoints, that a client would prefer to the ones above.
_REMOVED = (
    "ALIBABA_CLOUD_SECURITY_TOKEN",
    "ALIBABACLOUD_SECURITY_TOKEN",
    "ALICLOUD_SECURITY_TOKEN",
    "ALIYUN_SECURITY_TOKEN",
    "SECURITY_TOKEN",
    "ALIBABA_CLOUD_BEARER_TOKEN",
    "ALIBABA_CLOUD_CREDENTIALS_FILE",
    "ALIBABA_CLOUD_CREDENTIALS_URI",
    "ALIBABA_CLOUD_PROFILE",
    "ALIBABACLOUD_PROFILE",
    "ALICLOUD_PROFILE",
    "ALIBABA_CLOUD_ECS_METADATA",
    "ALIBABA_CLOUD_ROLE_ARN",
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
    "ALIBABA_CLOUD_ENDPOINT",
    # The way to the service manager of whoever starts the command: its notifications are not the command's.
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
)


class Change(msgspec.Struct, frozen=True):
    """What to do to an environment: names with their new values, and names to remove."""

    values: dict[str, str]
    removed: tuple[str, ...]
    before: dict[str, str]  # the earlier values of all of these, where they had any
    warnings: tuple[str, ...] = ()  # what of the earlier environment is not kept, though it should be

    def apply(self, environment: Mapping[str, str]) -> dict[str, str]:
        """A changed copy."""
        kept = {name: value for name, value in environment.items() if name not in self.removed}
        return kept | self.values

    def shell(self) -> str:
        """The same for a POSIX shell, which also keeps what was there before."""
        names = (*self.removed, *self.values)
        kept = msgspec.json.encode({name: self.before.get(name) for name in names}).decode()
        return _shell(dict.fromkeys(self.removed) | self.values | {variables.BEFORE: kept})

    def dotenv(self) -> str:
        """The same as an env file, NAME=VALUE as IDEs and docker read it: without quotes, and with nothing taken out."""
        for name, value in self.values.items():
            if not value.isprintable():
                raise OperatorError(
                    f"the value of {name} can't be in an env file: it has a line break, or the like",
                    hint=f"unset {name}, or use keystead env without --dotenv",
                )
        return "".join(f"{name}={value}\n" for name, value in self.values.items())


def _shell(values: Mapping[str, str | None]) -> str:
    """Exports, and unsets for None, for a POSIX shell."""
    lines = [
        f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
        for name, value in values.items()
    ]
    return "".join(f"{line}\n" for line in lines)


def undo(environment: Mapping[str, str]) -> str:
    """For a POSIX shell: put back what was there before `Change.shell`; "" where nothing was changed."""
    kept = _kept(environment)
    return _shell({**kept, variables.BEFORE: None}) if kept else ""


def before(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as it was before `Change.shell`."""
    found: dict[str, str | None] = {**environment, **_kept(environment), variables.BEFORE: None}
    return {name: value for name, value in found.items() if value is not None}


def _kept(environment: Mapping[str, str]) -> dict[str, str | None]:
    try:
        return msgspec.json.decode(environment.get(variables.BEFORE, "{}"), type=dict[str, str | None])
    except msgspec.MsgspecError:
        return {}


def change(
    before: Mapping[str, str],
    *,
    access_key: tuple[str, str],
    region: str,
    proxy_url: str,
    ca_pem: bytes,
    folder: Path,
    endpoint: str,
    data: str,
    endpoint_ca: str | None,
) -> Change:
    """The change for one run or shell. CA bundles are written to `folder`, which must be private to the user; `data` is the
    server's data directory, or "" if it has none here."""
    values = dict.fromkeys(ID_NAMES, access_key[0])
    values |= dict.fromkeys(_SECRET_NAMES, access_key[1])
    values |= dict.fromkeys(_REGION_NAMES, region)
    values |= dict.fromkeys(PROXY_NAMES, proxy_url)
    values |= {
        variables.RUN_PROXY: proxy_url,
        variables.ENDPOINT: endpoint,
        variables.CA_FILE: endpoint_ca or "",
        variables.ACCESS_KEY_FILE: "",
        variables.DATA: data,
        variables.REGION: region,
    }
    # The vendor's CLI and credential chain: no profile, no ECS metadata service.
    values |= {"ALIBABA_CLOUD_IGNORE_PROFILE": "TRUE", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    # Terraform's provider would ask the vendor for both.
    values |= {
        "ALIBABA_CLOUD_ACCOUNT_TYPE": "Domestic",
        "ALIBABA_CLOUD_ENDPOINT_KMS": f"kms.{region}.aliyuncs.com",
    }

    no_proxy = _no_proxy(before)
    values |= {"NO_PROXY": no_proxy, "no_proxy": no_proxy}

    bundles = _Bundles(folder, ca_pem)
    for name in BUNDLE_NAMES:
        values[name] = bundles.after(before.get(name, ""))
    values[variables.CA_BUNDLE] = bundles.after("")
    values["NODE_EXTRA_CA_CERTS"] = bundles.extra(before.get("NODE_EXTRA_CA_CERTS", ""))

    earlier = before.get("JAVA_TOOL_OPTIONS", "")
    named = java.earlier_store(earlier)
    trusted = _trusted(named)
    warnings: tuple[str, ...] = ()
    if named is not None and not trusted:
        unread = f"the trust store {named[0]} of JAVA_TOOL_OPTIONS cannot be read with its password"
        warnings = (f"{unread}; Java programs trust the system's roots instead",)
    store = bundles.trust_store(named, trusted)
    values["JAVA_TOOL_OPTIONS"] = java.options(earlier, store, urlsplit(proxy_url), no_proxy.split(","))

    hooks = resources.files("keystead.proxy") / "hooks"
    path = before.get("PYTHONPATH", "")
    values["PYTHONPATH"] = f"{hooks}:{path}" if path else str(hooks)
    options = before.get("NODE_OPTIONS", "")
    require = '--require "' + str(hooks / "hook.cjs").replace("\\", "\\\\").replace('"', '\\"') + '"'
    values["NODE_OPTIONS"] = f"{options} {require}".strip()
    removed = tuple(name for name in _REMOVED if name in before)
    replaced = {name: before[name] for name in (*removed, *values) if name in before}
    return Change(values, removed, replaced, warnings)


def _no_proxy(before: Mapping[str, str]) -> str:
    """The earlier exemptions without the vendor's hosts; local ones are added where no proxy was set before."""
    text = before.get("no_proxy") or before.get("NO_PROXY") or ""
    kept = [one.strip() for one in text.split(",") if one.strip()]
    kept = [one for one in kept if not _vendors(re.sub(r":[0-9]*\Z", "", one.lower()).strip("*."))]
    if not any(before.get(name) for name in (*PROXY_NAMES, "ALL_PROXY", "all_proxy")):
        kept += [one for one in ("localhost", "127.0.0.1", "::1") if one not in kept]
    return ",".join(kept)


def _vendors(domain: str) -> bool:
    """Whether a domain is one of the vendor's, or has it among others; "" is everything."""
    return domain.endswith("aliyuncs.com") or domain in ("", "com")


class _Bundles:
    """CA bundles: what a variable named before, or else the system's and certifi's roots, and ours after it."""

    def __init__(self, folder: Path, ca_pem: bytes) -> None:
        self._folder = folder
        self._ca = ca_pem
        self._made: dict[str, str] = {}

    def after(self, earlier: str) -> str:
        """The path of a bundle for a variable whose earlier value is given."""
        if earlier not in self._made:
            content = (_read(earlier) if earlier else b"") or _roots()
            self._made[earlier] = self._write(f"bundle-{_short(earlier)}.pem", content + b"\n" + self._ca)
        return self._made[earlier]

    def extra(self, earlier: str) -> str:
        """The path of a bundle that a client adds to its own roots."""
        return self._write(
            f"extra-{_short(earlier)}.pem", (_read(earlier) if earlier else b"") + b"\n" + self._ca
        )

    def trust_store(self, earlier: tuple[str, bytes] | None, content: bytes) -> Path:
        """The path of a trust store for Java: what an earlier one trusted, or else the usual roots, and ours."""
        store = make_trust_store((content or _roots()) + b"\n" + self._ca, java.PASSWORD.encode())
        return Path(self._write(f"trust-{_short(str(earlier))}.p12", store))

    def _write(self, name: str, content: bytes) -> str:
        path = self._folder / name
        # Programs of another shell may be reading it: `env` writes to one folder time and again.
        part = self._folder / f"{name}.{os.getpid()}"
        part.write_bytes(content)
        part.replace(path)
        return str(path)


def _trusted(store: tuple[str, bytes] | None) -> bytes:
    """The certificates of an earlier trust store; nothing if there is none that can be read."""
    if store is not None:
        with suppress(ValueError):
            return trusted_by(_read(store[0]), store[1])
    return b""


def _roots() -> bytes:
    return _read(ssl.get_default_verify_paths().openssl_cafile) + b"\n" + _read(certifi.where())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
