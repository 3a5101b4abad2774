"""Checks of the environment: variables that contradict each other, or that lead clients elsewhere. No value is shown that
may hold a secret.

Our own commands read few of them; the official clients that are started from here read all.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import keystead
from keystead.cli.diagnosis.finding import Finding, ok, problem, warning
from keystead.cli.diagnosis.scene import Scene
from keystead.client.access_key import read_access_key
from keystead.errors import OperatorError
from keystead.proxy import java
from keystead.proxy.environment import BUNDLE_NAMES, ID_NAMES, PROXY_NAMES
from keystead.proxy.tunnel import Tunnel
from keystead.server.data.directory import DataDirectory
from keystead.variables import ACCESS_KEY_FILE, CA_FILE, DATA, ENDPOINT, RUN_PROXY

_SUBJECT = "environment"
_ID, _SECRET, _TOKEN = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"
)  # fmt: skip
_FILES = (*BUNDLE_NAMES, "NODE_EXTRA_CA_CERTS", CA_FILE)
# The first is what `run` extends; Java goes by the others first.
_JAVA = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
_OURS = (
    "keystead", "apsw", "babel", "certifi", "cryptography", "httptools", "jinja2", "jmespath", "msgspec",
    "prometheus_client", "python_multipart", "segno", "starlette", "tomlkit", "uvloop", "yaml",
)  # fmt: skip
_HOOKS = "keystead/proxy/hooks"  # where `run` lets Python and node look first


def access_keys(scene: Scene) -> Iterator[Finding]:
    """The AccessKey of the environment is whole, one of the server's, and the only one."""
    environment = scene.environment
    key_id, secret = environment.get(_ID, ""), environment.get(_SECRET, "")
    file = environment.get(ACCESS_KEY_FILE, "")
    if file and _uses_root(scene):
        yield _warning(
            f"the AccessKey in {file}, which {ACCESS_KEY_FILE} names, is none of this server, so commands use the root "
            "AccessKey",
            f"unset {ACCESS_KEY_FILE}, or name a file that keystead access-key create -o FILE made for this server",
        )
    if bool(key_id) != bool(secret):
        given, missing = (_ID, _SECRET) if key_id else (_SECRET, _ID)
        yield _warning(f"{given} is set and {missing} is not, so neither counts", "set both, or none")
    elif key_id and not file and _uses_root(scene):
        yield _warning(
            f"{_ID} has no AccessKey of this server, so commands use the root AccessKey; official clients that are "
            "started from here are refused",
            "unset it and its secret, or start them with keystead run --data DIR -- …",
        )
    if environment.get(_TOKEN) and not scene.is_vendors:
        yield _warning(
            f"{_TOKEN} is set, which no AccessKey of a keystead server goes with", f"unset {_TOKEN}"
        )
    if key_id and _id_in(file) not in ("", key_id):
        yield _warning(
            f"{ACCESS_KEY_FILE} and {_ID} name different AccessKeys: keystead's own commands go by the file, official "
            "clients by the other",
            "unset the one that is not meant",
        )
    others = sorted(name for name in ID_NAMES if environment.get(name, key_id) not in ("", key_id))
    if key_id and others:
        yield _warning(
            f"{', '.join(others)} and {_ID} name different AccessKeys; clients differ in which they read",
            "unset all but one",
        )


def endpoints(scene: Scene) -> Iterator[Finding]:
    """The KEYSTEAD_ variables name one server."""
    environment = scene.environment
    url, data = environment.get(ENDPOINT, ""), environment.get(DATA, "")
    if environment.get(CA_FILE) and not url and not scene.chosen.url:
        yield _warning(
            f"{CA_FILE} is set and {ENDPOINT} is not, so it does not count",
            "set both, or none; a server on this machine is found with its own ca.pem",
        )
    if url and data and scene.running is None and not environment.get(RUN_PROXY):
        there = _served_on(data)
        if there not in url.split(","):
            yield _warning(
                f"{ENDPOINT} goes before {DATA}, whose server is {there or 'not running'}",
                "unset the one that is not meant",
            )
    if not scene.is_vendors and (named := environment.get("ALIBABA_CLOUD_ENDPOINT", "")):
        yield _warning(
            "ALIBABA_CLOUD_ENDPOINT is set: official clients that read it call what it names"
            + (", a host of the vendor's" if ".aliyuncs.com" in named else ""),
            "unset it, or let keystead run start them",
        )


def proxies(scene: Scene) -> Iterator[Finding]:
    """No proxy stands between official clients and the server, or the one of `run` and `env` is alive."""
    environment, address = scene.environment, scene.address
    if ours := environment.get(RUN_PROXY, ""):
        if not _listens(ours):
            yield problem(
                _SUBJECT,
                "the proxy of keystead env is gone: official clients that are started from here reach nothing",
                'eval "$(keystead env)" again, or eval "$(keystead env --unset)"',
            )
        return
    names = [name for name in (*PROXY_NAMES, "ALL_PROXY", "all_proxy") if environment.get(name)]
    if not names or address is None:
        return
    try:
        proxied = Tunnel(environment).proxy("https" if address.tls else "http", address.host) is not None
    except OperatorError as wrong:
        yield _warning(wrong.message, wrong.hint)
        return
    if proxied:
        yield _warning(
            f"{names[0]} is set and NO_PROXY does not have {address.host}: official clients ask the proxy for the "
            "server, keystead's own commands do not",
            f"add {address.host} to NO_PROXY and no_proxy",
        )


def bundles(scene: Scene) -> Iterator[Finding]:
    """What names CA certificates names a file that can be read, and Java has those of the server."""
    environment = scene.environment
    for name in _FILES:
        path = environment.get(name, "")
        if path and not os.access(path, os.R_OK):
            yield _warning(
                f"{name} names {path}, which cannot be read: TLS of clients fails", f"unset {name}"
            )
    for name in _JAVA:
        store = java.earlier_store(environment.get(name, ""))
        if store is None or (name == _JAVA[0] and environment.get(RUN_PROXY)):
            continue
        if not os.access(store[0], os.R_OK):
            yield _warning(
                f"{name} names the trust store {store[0]}, which cannot be read: TLS of Java programs fails",
                f"unset {name}, or name another",
            )
        elif scene.ca_file is not None:
            yield _warning(
                f"{name} names the trust store {store[0]}: Java programs trust only what is in it",
                "keytool -importcert puts the server's CA there",
            )


def hooks(scene: Scene) -> Iterator[Finding]:
    """What `run` and `env` put into Python and node goes with them."""
    for name in ("PYTHONPATH", "NODE_OPTIONS"):
        if _HOOKS in scene.environment.get(name, "") and not scene.environment.get(RUN_PROXY):
            yield _warning(
                f"{name} has what keystead run put there, without the rest of its environment",
                "take it out, or go on in a fresh shell",
            )


def python_path(scene: Scene) -> Iterator[Finding]:
    """No other module takes the place of one that this program needs."""
    environment = scene.environment
    for entry in filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)):
        folder = Path(entry)
        theirs = [name for name in _OURS if (folder / name).is_dir() or (folder / f"{name}.py").is_file()]
        if theirs and not _is_ours(folder):
            yield _warning(
                f"PYTHONPATH has {folder}, whose {', '.join(theirs)} goes before what keystead was installed with",
                "unset PYTHONPATH for keystead",
            )


def variables(scene: Scene) -> Iterator[Finding]:
    """What the checks above find; one line where that is nothing."""
    found = [finding for check in _VARIABLES for finding in check(scene)]
    yield from found or (ok(_SUBJECT, "no variable that leads elsewhere"),)


def _warning(text: str, remedy: str) -> Finding:
    return warning(_SUBJECT, text, remedy)


def _uses_root(scene: Scene) -> bool:
    """Whether commands fall back on the AccessKey of the server's data directory."""
    return scene.caller is not None and scene.caller.fell_back


def _id_in(file: str) -> str:
    """The id in an AccessKey file; "" if there is none that can be read, which is said elsewhere."""
    with suppress(OperatorError):
        return read_access_key(Path(file))[0] if file else ""
    return ""


def _served_on(data: str) -> str:
    """The address of the server on a data directory; "" if there is none, or that can't be seen."""
    directory = DataDirectory(data)
    try:
        directory.check_access()
        running = directory.running() if directory.locked() else None
    except OperatorError:
        return ""
    return "" if running is None else running.url


def _listens(url: str) -> bool:
    try:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), 2):
            return True
    except (OSError, ValueError):
        return False


def _is_ours(folder: Path) -> bool:
    """Whether this very program runs from there."""
    return Path(keystead.__file__).resolve().is_relative_to(folder.resolve())


_VARIABLES = (access_keys, endpoints, proxies, bundles, hooks, python_path)
CHECKS = (variables,)
