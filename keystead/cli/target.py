"""Which server a command is about, and as whom it calls: one rule for every command.

Options go first; then what the environment names, as `keystead run` and `keystead env` set it: KEYSTEAD_ENDPOINT a
server, KEYSTEAD_DATA a data directory; then the default data directory. A command that is about a data directory refuses
where only a server is named. A server that was found by its directory is called with the environment's AccessKey if that is
one of the server's own, else with its root AccessKey.

One service may have several addresses: --endpoint repeated, or with commas, as in KEYSTEAD_ENDPOINT. The first that answers
is called (`keystead.client.transport.Session`).

KEYSTEAD_CA_FILE belongs to the servers at KEYSTEAD_ENDPOINT; where that is not set, or has them all, to those at --endpoint.
"""

import argparse
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keystead import variables
from keystead.cli import edition, output
from keystead.errors import OperatorError, Unreachable
from keystead.forms import ACCOUNT

if TYPE_CHECKING:
    from keystead.client.kms import Kms
    from keystead.client.transport import Address, Endpoint
    from keystead.server.data.discovery import Discovered

ENDPOINT = "--endpoint"
# Name, metavar, help; as argparse and `keystead kms` show them.
OPTIONS = (
    (
        ENDPOINT,
        "URL",
        "the server at this address, the vendor's own included; several: the first that answers",
    ),
    ("--ca", "FILE", "the CA certificate of the server at that address (default: the system's CAs)"),
    ("--data", "DIR", "the server that runs on this data directory"),
    ("--access-key", "FILE", "the AccessKey: JSON with AccessKeyId and AccessKeySecret"),
    ("--region", "REGION", "the region, where the endpoint's name does not say it"),
)
_FOUND = """\
Without --endpoint and --data it is the server at KEYSTEAD_ENDPOINT (which `keystead run` sets), with the CA certificate
KEYSTEAD_CA_FILE, else the one on KEYSTEAD_DATA, else the one on the default data directory. Without --access-key the
AccessKey is that of the file KEYSTEAD_ACCESS_KEY_FILE, else of ALIBABA_CLOUD_ACCESS_KEY_ID and
ALIBABA_CLOUD_ACCESS_KEY_SECRET (with ALIBABA_CLOUD_SECURITY_TOKEN, if set); for a server on a data directory only if it is
one of that server's, else its root AccessKey. Without --region the region is KEYSTEAD_REGION, else the server's. The
server is reached directly: no proxy variable counts."""
_FOUND_BY_CLIENT = """\
Without --endpoint it is the server that KEYSTEAD_ENDPOINT and KEYSTEAD_CA_FILE name. Without --access-key the AccessKey is
that of the file KEYSTEAD_ACCESS_KEY_FILE, else of ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET (with
ALIBABA_CLOUD_SECURITY_TOKEN, if set). Without --region the region is KEYSTEAD_REGION, else the server's. The server is
reached directly: no proxy variable counts."""
FOUND = _FOUND if edition.WHOLE else _FOUND_BY_CLIENT
DATA = "the data directory (default: that of KEYSTEAD_DATA, else your own)"

AS = "call as this RAM user (USER, or USER@ACCOUNT), with an AccessKey that is made for that"


def account_id(text: str) -> str:
    """The id of an account, as an option has it."""
    if not ACCOUNT.fits(text):
        raise argparse.ArgumentTypeError(f"an account id is {ACCOUNT.words}")
    return text


class Several(argparse.Action):
    """An option that may be given several times, each time with one value or with more, by commas."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if before is None else f"{before},{values}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    group = parser.add_argument_group("server", FOUND.replace("\n", " "))
    for name, metavar, text in OPTIONS:
        more: dict[str, Any] = {"action": Several} if name == ENDPOINT else {}
        group.add_argument(name, metavar=metavar, help=text, **more)


def directory(named: str | None) -> str:
    """The data directory that a command is about; WrongCommandLine where the environment names a server without one."""
    from keystead.settings import default_data

    url = os.environ.get(variables.ENDPOINT)
    if named is None and url and not os.environ.get(variables.DATA):
        raise output.WrongCommandLine(
            f"this command is about a data directory, and the environment names the server at {url}",
            hint="name the directory with --data DIR",
        )
    return default_data() if named is None else named


def unsure(look: str, named: str | None, more: str = "") -> str:
    """The hint where a server gave no answer to a command that changes something; `look` is the command that shows it."""
    option = "" if named is None else f" --data {named}"
    return f"it may be done all the same: look with keystead {look}{option} before you repeat it{more}"


def kms(args: argparse.Namespace) -> "Kms":
    """The server that the options name."""
    from keystead.client.kms import Kms
    from keystead.clock import SystemClock
    from keystead.entropy import SystemEntropy

    where = endpoint(args.endpoint, args.ca, args.data, args.access_key)
    return Kms(where, region(args.region), SystemClock(), SystemEntropy(), args.command_name)


def region(named: str | None) -> str:
    """The region of calls, by --region or the environment; "" for that of the server or its name."""
    return os.environ.get(variables.REGION, "") if named is None else named


def certificate_of(url: str, named: str | None) -> str | None:
    """The CA certificate of the servers at --endpoint, by --ca or the environment; None for the system's CAs."""
    from keystead.client.transport import urls_of

    known = os.environ.get(variables.ENDPOINT, "")
    other = known and not set(urls_of(url)) <= {one.rstrip("/") for one in known.split(",")}
    return named or ("" if other else os.environ.get(variables.CA_FILE)) or None


class Target(NamedTuple):
    """The server that a command is about, by its addresses or, where `url` is "", its data directory; and why that one."""

    because: str
    url: str = ""
    ca_file: str | None = None
    data: str = ""

    @property
    def each(self) -> tuple["Target", ...]:
        """One for each address. OperatorError if one is none."""
        from keystead.client.transport import urls_of

        urls = urls_of(self.url) if "," in self.url else (self.url,)
        if len(urls) == 1:
            return (self._replace(url=urls[0]),)
        because = f"{self.because}, address {{}} of {len(urls)}"
        return tuple(
            self._replace(url=url, because=because.format(place)) for place, url in enumerate(urls, 1)
        )


class Caller(NamedTuple):
    """As whom a command calls, and where that was found. It has no repr that would show the secret."""

    access_key: tuple[str, str]
    source: str
    file: str = ""  # the one that it stands in; "": the environment
    security_token: str = ""
    fell_back: bool = False  # on the root AccessKey, for want of another of the server's

    def __repr__(self) -> str:
        return f"<Caller {self.source}>"


def select(url: str | None, ca_file: str | None, data: str | None) -> Target:
    """By --endpoint, --data, the environment of `run`, or the default data directory, in this order."""
    if url and data is not None:
        raise output.WrongCommandLine(
            "--endpoint and --data exclude each other", hint="leave one of them out"
        )
    if url:
        return Target(url=url, ca_file=certificate_of(url, ca_file), because="--endpoint")
    named = os.environ.get(variables.ENDPOINT, "") if data is None else ""
    if ca_file and not named:
        raise output.WrongCommandLine("--ca belongs to --endpoint", hint="give both, or neither")
    if named:
        set_by = ""
        if os.environ.get(variables.RUN_PROXY):
            set_by = f", set by keystead {'env' if os.environ.get(variables.BEFORE) else 'run'}"
        ca_file = ca_file or os.environ.get(variables.CA_FILE) or None
        return Target(url=named, ca_file=ca_file, because=f"{variables.ENDPOINT}{set_by}")
    _needs_whole()
    if data is not None:
        return Target(data=data, because="--data")
    from keystead.settings import default_data

    because = variables.DATA if os.environ.get(variables.DATA) else "the default data directory"
    return Target(data=default_data(), because=because)


def _needs_whole() -> None:
    edition.needs_whole(
        "what finds a server by its data directory",
        hint="name the server: --endpoint URL --ca FILE, or KEYSTEAD_ENDPOINT and KEYSTEAD_CA_FILE",
    )


def caller(access_key_file: str | None, url: str, found: "Discovered | None") -> Caller:
    """As whom to call the server at `url`, which was found by its directory or, with None, by its address."""
    from keystead.client.access_key import environment_access_key, read_access_key

    if access_key_file:
        pair = read_access_key(Path(access_key_file))
        return Caller(access_key=pair, source=access_key_file, file=access_key_file)
    given = environment_access_key(os.environ)
    own = given is not None
    if found is not None:
        given, own = found.access_key(given)
    if given is None:
        raise OperatorError(
            f"there is no AccessKey for {url}",
            hint="name its file with --access-key or KEYSTEAD_ACCESS_KEY_FILE, or set ALIBABA_CLOUD_ACCESS_KEY_ID and "
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        )
    if found is not None and not own:
        root = str(found.directory.root_access_key)
        return Caller(access_key=given, source=root, file=root, fell_back=True)
    if file := os.environ.get(variables.ACCESS_KEY_FILE):
        return Caller(access_key=given, source=f"{variables.ACCESS_KEY_FILE} ({file})", file=file)
    token = os.environ.get("ALIBABA_CLOUD_SECURITY_TOKEN", "")
    return Caller(access_key=given, source="ALIBABA_CLOUD_ACCESS_KEY_ID", security_token=token)


def endpoint(
    url: str | None, ca_file: str | None, data: str | None, access_key_file: str | None
) -> "Endpoint":
    """The server that is meant, and as whom to call it."""
    from keystead.client.transport import Address, urls_of

    chosen = select(url, ca_file, data)
    found = None
    if not chosen.url:
        from keystead.server.data.discovery import running_server

        found = running_server(chosen.data)
    where = chosen if found is None else found
    addresses = [Address.of(one) for one in urls_of(where.url)]
    try:
        made = addressed(where, caller(access_key_file, where.url, found))
    except OperatorError:
        if found is None and len(addresses) == 1:
            _check_name(addresses[0], where.url)
        raise
    if found is None:
        for address in addresses:
            warn_of_plain_http(address)
    return made


def warn_of_plain_http(address: "Address") -> None:
    """Say what plain HTTP to another machine means."""
    from keystead.client.transport import is_loopback

    if not address.tls and not is_loopback(address.host):
        output.warning(f"plain HTTP shows all that is sent to {address.host} to the network; use https")


def _check_name(address: "Address", url: str) -> None:
    """Unreachable if nobody knows the host: that is told before an AccessKey for it is asked for."""
    from keystead.client.transport import reason, remedy

    try:
        socket.getaddrinfo(address.host, None)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"cannot reach {url}: {reason(error)}", hint=remedy(address, error)) from None


def addressed(where: "Target | Discovered", caller: Caller) -> "Endpoint":
    """A server, and as whom to call it."""
    from keystead.client.transport import Endpoint

    return Endpoint(
        url=where.url,
        ca_file=where.ca_file,
        access_key=caller.access_key,
        security_token=caller.security_token,
    )
