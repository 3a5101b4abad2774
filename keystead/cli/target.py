"""Which server a command is about, and as whom it calls: one rule for every command.

Options go first; then what the environment names, as `keystead run` and `keystead env` set it: KEYSTEAD_ENDPOINT a
server, KEYSTEAD_DATA a data directory; then the default data directory. A command that is about a data directory refuses
where only a server is named. A server that was found by its directory is called with the environment's AccessKey if that is
one of the server's own, else with its root AccessKey.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from keystead.cli import output
from keystead.errors import OperatorError

if TYPE_CHECKING:
    from keystead.client.kms import Kms
    from keystead.client.transport import Endpoint

# Name, metavar, help; as argparse and `keystead kms` show them.
OPTIONS = (
    ("--endpoint", "URL", "the server at this address, the vendor's own included"),
    ("--ca", "FILE", "the CA certificate of the server at --endpoint (default: the system's CAs)"),
    ("--data", "DIR", "the server that runs on this data directory"),
    ("--access-key", "FILE", "the AccessKey: JSON with AccessKeyId and AccessKeySecret"),
    ("--region", "REGION", "the region, where the endpoint's name does not say it"),
)
FOUND = """\
Without --endpoint and --data it is the server of `keystead run` (KEYSTEAD_ENDPOINT), else the one on KEYSTEAD_DATA,
else the one on the default data directory. Without --access-key the AccessKey is that of ALIBABA_CLOUD_ACCESS_KEY_ID and
ALIBABA_CLOUD_ACCESS_KEY_SECRET (with ALIBABA_CLOUD_SECURITY_TOKEN, if set); for a server on a data directory only if it is
one of that server's, else its root AccessKey. The server is reached directly: no proxy variable counts."""
DATA = "the data directory (default: that of KEYSTEAD_DATA, else your own)"

AS = "call as this RAM user (USER, or USER@ACCOUNT), with an AccessKey that is made for that"


def account_id(text: str) -> str:
    """The id of an account, as an option has it."""
    if not (len(text) == 16 and text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError("an account id is 16 digits")
    return text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    group = parser.add_argument_group("server", FOUND.replace("\n", " "))
    for name, metavar, text in OPTIONS:
        group.add_argument(name, metavar=metavar, help=text)


def directory(named: str | None) -> str:
    """The data directory that a command is about; WrongCommandLine where the environment names a server without one."""
    from keystead.settings import default_data

    url = os.environ.get("KEYSTEAD_ENDPOINT")
    if named is None and url and not os.environ.get("KEYSTEAD_DATA"):
        raise output.WrongCommandLine(
            f"this command is about a data directory, and the environment names the server at {url}",
            hint="name the directory with --data DIR",
        )
    return default_data() if named is None else named


def kms(args: argparse.Namespace) -> "Kms":
    """The server that the options name."""
    from keystead.client.kms import Kms
    from keystead.clock import SystemClock
    from keystead.entropy import SystemEntropy

    where = endpoint(args.endpoint, args.ca, args.data, args.access_key)
    return Kms(where, args.region or "", SystemClock(), SystemEntropy(), args.command_name)


def endpoint(
    url: str | None, ca_file: str | None, data: str | None, access_key_file: str | None
) -> "Endpoint":
    """By --endpoint, --data, the environment of `run`, or the default data directory, in this order."""
    from keystead.client.transport import Endpoint
    from keystead.server.data.discovery import environment_access_key, running_server
    from keystead.server.data.opened_store import read_access_key
    from keystead.server.network.listener import is_loopback
    from keystead.settings import default_data

    if url and data is not None:
        raise output.WrongCommandLine(
            "--endpoint and --data exclude each other", hint="leave one of them out"
        )
    if ca_file and not url:
        raise output.WrongCommandLine("--ca belongs to --endpoint", hint="give both, or neither")
    if access_key_file:
        access_key: tuple[str, str] | None = read_access_key(Path(access_key_file))
        token = ""
    else:
        access_key = environment_access_key(os.environ)
        token = os.environ.get("ALIBABA_CLOUD_SECURITY_TOKEN", "") if access_key else ""
    if not url and data is None and os.environ.get("KEYSTEAD_ENDPOINT"):
        url, ca_file = os.environ["KEYSTEAD_ENDPOINT"], os.environ.get("KEYSTEAD_CA_FILE") or None
    if not url:
        found = running_server(default_data() if data is None else data)
        if not access_key_file:
            access_key, own = found.access_key(access_key)
            token = token if own else ""
        assert access_key is not None
        return Endpoint(url=found.url, ca_file=found.ca_file, access_key=access_key, security_token=token)
    named = Endpoint(url=url, ca_file=ca_file, access_key=access_key or ("", ""), security_token=token)
    address = named.address
    if access_key is None:
        raise OperatorError(
            f"there is no AccessKey for {url}",
            hint="name its file with --access-key, or set ALIBABA_CLOUD_ACCESS_KEY_ID and "
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        )
    if not address.tls and not is_loopback(address.host):
        output.warning(f"plain HTTP shows all that is sent to {address.host} to the network; use https")
    return named
