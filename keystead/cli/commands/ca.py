"""`keystead ca`: show the certificate authority of a server, and have another one take over from it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keystead.cli import output, target
from keystead.clock import SystemClock, iso8601
from keystead.domain.authorities import Names
from keystead.entropy import SystemEntropy

if TYPE_CHECKING:
    from keystead.server.operator import Authorities

_MOST_DAYS = 3650


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "ca",
        help="show and rotate the server's certificate authority",
        description="Show and rotate the certificate authority (CA) that a server has made for itself: through the server "
        "that runs on the data directory, or without one.",
        examples=("keystead ca show", "keystead ca show -o ca.pem"),
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    show = verbs.add_parser(
        "show",
        help="show it, or write what clients are to trust",
        description="Show the CA, and the certificate that the running server serves. While one CA takes over from "
        "another there are two, and clients are to trust both.",
        examples=("keystead ca show", "keystead ca show --json", "keystead ca show -o ca.pem"),
    )
    form = show.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--pem", action="store_true", help="the certificates that clients are to trust")
    form.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="write these certificates to a file that all users can read, - for standard output",
    )
    show.set_defaults(func=show_authorities)
    rotate = verbs.add_parser(
        "rotate",
        help="make a new CA, and let the old one go on beside it for a while",
        description="Make a new CA, for the names of the old one and more. Until the overlap ends, clients that trust "
        "either of them connect; give all of them the new ca.pem by then.",
        examples=("keystead ca rotate", "keystead ca rotate --name kms.example.com --overlap 14"),
    )
    rotate.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME",
        help="one more host name or IP address that the server is reached by",
    )
    rotate.add_argument(
        "--overlap", metavar="DAYS", type=_days, default=30, help="how long the old one goes on (default: 30)"
    )
    rotate.set_defaults(func=rotate_authority)
    retire = verbs.add_parser(
        "retire",
        help="end the overlap now",
        description="End the overlap now: clients that do not trust the newest CA no longer connect.",
        examples=("keystead ca retire",),
    )
    retire.set_defaults(func=retire_authorities)
    for one in (show, rotate, retire):
        one.add_argument("--data", metavar="DIR", help=target.DATA)


def show_authorities(args: argparse.Namespace) -> int:
    """Print the CAs as a person, a program or a client reads them."""
    from keystead.server.operator import own_authorities

    found = own_authorities(target.directory(args.data))
    if args.out and args.out != "-":
        _write(Path(args.out), found)
    elif args.pem or args.out:
        output.text(found.bundle)
    elif args.json:
        output.answer(_members(found))
    else:
        _tell(found, _copying(args.data))
    if found.own_certificate:
        output.note("the server that runs has a certificate of your own (tls-cert), not one by this CA")
    return output.DONE


def rotate_authority(args: argparse.Namespace) -> int:
    """Make a new CA."""
    try:
        names = Names.of(args.name)
    except ValueError as error:
        raise output.WrongCommandLine(
            f"{error.args[0]!r} is neither a host name nor an IP address", hint="check --name"
        ) from None
    parameters = {"OverlapDays": str(args.overlap)}
    if names.all:
        parameters["Names"] = ",".join(names.all)
    status, _ = _operate(args, "RotateAuthority", parameters)
    if status == output.DONE:
        output.note(f"give all clients the new certificates: {_copying(args.data)} writes them to a file")
    return status


def retire_authorities(args: argparse.Namespace) -> int:
    """End the overlap."""
    status, members = _operate(args, "RetireAuthorities", {})
    if members.get("Retired") == []:
        output.note("there is nothing to retire: the newest CA has no other one beside it")
    return status


def _operate(args: argparse.Namespace, action: str, parameters: dict[str, str]) -> tuple[int, dict[str, Any]]:
    from keystead.server.operator import run_operation

    data, unsure = target.directory(args.data), target.unsure("ca show", args.data)
    answer = run_operation(data, action, parameters, args.command_name, unsure)
    if answer.status != 200:
        return output.refusal(answer.members), {}
    output.answer(answer.members)
    if not answer.served:
        output.warning("the server has not taken it up yet; if something is in the way, its log has it")
    return output.DONE, answer.members


def _write(path: Path, found: "Authorities") -> None:
    """Replace the file: it is what the clients of this machine have trusted until now."""
    from keystead.files.atomic_file import Whole

    with Whole(path, 0o644, SystemEntropy(), replace=True) as file:
        file.write(found.bundle.encode())
        file.finish()


def _members(found: "Authorities") -> dict[str, object]:
    own = [
        {
            "Subject": one.subject,
            "Fingerprint": one.fingerprint,
            "NotBefore": iso8601(one.begins),
            "NotAfter": iso8601(one.expires),
            "Names": list(one.names.all),
            "Retires": None if retires is None else iso8601(retires),
        }
        for one, retires in found.own
    ]
    served = None
    if found.served is not None:
        served = {
            "Issuer": found.served.issuer,
            "Fingerprint": found.served.fingerprint,
            "NotBefore": iso8601(found.served.begins),
            "NotAfter": iso8601(found.served.expires),
            "Names": list(found.served.names.all),
        }
    return {"Authorities": own, "Served": served, "Bundle": found.file}


def _copying(data: str | None) -> str:
    """The command that gives what clients need."""
    return f"keystead ca show -o FILE{'' if data is None else f' --data {data}'}"


def _tell(found: "Authorities", copying: str) -> None:
    now = SystemClock().now()
    for one, retires in found.own:
        output.line(f"certificate authority {one.subject}")
        output.line(f"  SHA-256  {one.fingerprint}")
        expired = " (expired)" if one.expires <= now else ""
        output.line(f"  valid    {iso8601(one.begins)} to {iso8601(one.expires)}{expired}")
        output.line(f"  names    {', '.join(one.names.all)}")
        if retires is not None:
            output.line(f"  retires  {iso8601(retires)}, when the next one takes over")
    if found.served is not None:
        output.line(f"served certificate, by {found.served.issuer}")
        output.line(f"  SHA-256  {found.served.fingerprint}")
        output.line(f"  valid    {iso8601(found.served.begins)} to {iso8601(found.served.expires)}")
        output.line(f"  names    {', '.join(found.served.names.all)}")
    output.line(f"clients trust {found.file}; {copying} writes a copy")


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= _MOST_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 0 to {_MOST_DAYS}")
    return int(text)
