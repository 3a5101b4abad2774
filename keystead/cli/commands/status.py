"""`keystead status`: which server commands are about, and how it is."""

import argparse
from typing import TYPE_CHECKING, Any

from keystead import __version__
from keystead.cli import answers, output, target
from keystead.clock import iso8601
from keystead.errors import LATER, OperatorError, Refused, Unreachable

if TYPE_CHECKING:
    from keystead.cli.diagnosis.scene import Scene


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "status",
        help="show which server commands are about, and how it is",
        description="Show which server commands are about and why that one, whether it is ready, and as whom they call it. "
        "The exit status is 0 if it is ready and accepts the AccessKey, 3 if it does not run, gives no answer or is not "
        "ready, 4 if it refuses the AccessKey, and 1 if it can't be seen or verified. One signed call is made, "
        "GetCallerIdentity.",
        examples=(
            "keystead status",
            "keystead status --endpoint https://kms.example.com --ca ca.pem",
            "keystead status --output json",
        ),
    )
    target.add_options(parser)
    answers.add_output(parser)
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print what is to be seen; the status of what is wrong, if something is."""
    from keystead.cli.diagnosis import scene as scenes

    looked = [(scene, _wrong(scene)) for scene in scenes.of(args)]
    # The first that commands can work with, as they find it.
    scene, wrong = next((one for one in looked if one[1] is None), looked[0])
    if args.output == "table":
        for name, text in _facts(scene, wrong):
            output.fact(name, text)
    else:
        answers.show(_members(scene, wrong), args.output)
    output.flush()
    return output.DONE if wrong is None else output.trouble(wrong)


def _wrong(scene: "Scene") -> OperatorError | None:
    """The first thing that keeps commands from their work; None if they can do it."""
    from keystead.cli.diagnosis.connection import disbelieved

    if scene.failure is not None:
        return scene.failure
    if scene.handshake is not None and scene.handshake.refusal:
        told, remedy = disbelieved(scene, scene.handshake)
        return OperatorError(f"the certificate of {scene.url} is not believed: {told}", hint=remedy)
    if scene.health is not None and scene.health.problems:
        return Unreachable(
            f"the server is not ready: {'; '.join(scene.health.problems)}",
            hint="the log of the server says more, and keystead doctor looks at what it depends on",
        )
    if scene.untried is not None:
        return scene.untried
    refusal = scene.refusal
    if refusal is None:
        return None
    told = f"{refusal['Code']}: {refusal.get('Message', '')}"
    if refusal["Code"] in LATER:
        return Unreachable(f"the server cannot answer now: {told}", hint="try again")
    return Refused(
        f"the server refuses the AccessKey: {told}",
        code=str(refusal["Code"]),
        hint="keystead doctor says what to do",
    )


def _state(scene: "Scene", wrong: OperatorError | None) -> str:
    """One word, or two, for scripts and for people."""
    if scene.handshake is not None and scene.handshake.refusal:
        return "not believed"
    match wrong:
        case None:
            return "ready"
        case Refused():
            return "refused"
        case Unreachable() if not scene.url:
            return "stopped"
        case Unreachable() if scene.refusal is not None or (
            scene.health is not None and scene.health.problems
        ):
            return "not ready"
        case Unreachable():
            return "unreachable"
        case _:
            return "unknown"


def _facts(scene: "Scene", wrong: OperatorError | None) -> list[tuple[str, str]]:
    """What a person reads, line by line."""
    from keystead.cli.diagnosis.access import duration, shown_id
    from keystead.cli.diagnosis.connection import until
    from keystead.server.data.store_place import has_data

    found = [("server", f"{scene.url or 'none'} ({scene.chosen.because})")]
    if scene.directory is not None:
        made = "" if has_data(scene.directory) else ", with nothing in it"
        if scene.foreign:
            made = ", which is none"
        found.append(("data directory", f"{scene.directory.path}{made}"))
    elif not scene.chosen.url:
        found.append(("data directory", scene.chosen.data))
    state = _state(scene, wrong)
    if scene.health is not None and scene.health.started is not None:
        state += f", runs for {duration(max(0, scene.now - scene.health.started))}"
    if scene.running is not None:
        state += f", process {scene.running.pid}"
    found.append(("state", state))
    if version := _version(scene):
        found.append(("version", version))
    if account := _account(scene):
        found.append(("account", account))
    if scene.region:
        found.append(("region", f"{scene.region} ({scene.region_source})"))
    if scene.caller is not None:
        found.append(("AccessKey", f"{shown_id(scene, scene.caller)}, from {scene.caller.source}"))
    if scene.address is not None and not scene.address.tls:
        found.append(("certificate", "none: plain HTTP"))
    if (shaken := scene.handshake) is not None:
        found.append(("certificate", f"until {until(shaken.served.expires, scene.now)}"))
        if shaken.authority is not None:
            found.append(("CA", f"until {until(shaken.authority.expires, scene.now)}, in {scene.ca_file}"))
        elif scene.ca_file is None and not shaken.refusal:
            found.append(("CA", f"{shaken.served.issuer}, of the system's CAs"))
    if scene.running is not None:
        found.append(("health, metrics", scene.running.ops_url))
        if scene.running.checkpoint_key:  # a server of the version before has none
            found.append(("checkpoints", scene.running.checkpoint_key))
    found += [("warning", one) for one in _warnings(scene)]
    return found


def _members(scene: "Scene", wrong: OperatorError | None) -> dict[str, Any]:
    """What a program reads; a member that is not known is null."""
    shaken, caller, started = scene.handshake, scene.caller, None
    if scene.health is not None and scene.health.started is not None:
        started = iso8601(scene.health.started)
    certificate = authority = access_key = problem = None
    if shaken is not None:
        certificate = {
            "NotAfter": iso8601(shaken.served.expires),
            "Issuer": shaken.served.issuer,
            "Names": list(shaken.served.names.all),
            "Problem": shaken.refusal or None,
        }
        if shaken.authority is not None:
            authority = {"NotAfter": iso8601(shaken.authority.expires), "File": scene.ca_file}
    if caller is not None:
        from keystead.cli.diagnosis.access import shown_id

        access_key = {"AccessKeyId": shown_id(scene, caller), "Source": caller.source}
    if wrong is not None:
        problem = {"Message": wrong.message, "Hint": wrong.hint}
    directory = scene.directory
    return {
        "State": _state(scene, wrong),
        "Url": scene.url or None,
        "Because": scene.chosen.because,
        "Data": str(directory.path) if directory is not None else scene.chosen.data or None,
        "Pid": None if scene.running is None else scene.running.pid,
        "Started": started,
        "Version": _version(scene) or None,
        "ClientVersion": __version__,
        "Account": _account(scene) or None,
        "Region": scene.region or None,
        "RegionSource": scene.region_source or None,
        "AccessKey": access_key,
        "Certificate": certificate,
        "CA": authority,
        "CheckpointKey": None if scene.running is None else scene.running.checkpoint_key,
        "Warnings": _warnings(scene),
        "OpsUrl": None if scene.running is None else scene.running.ops_url,
        "Problem": problem,
    }


def _warnings(scene: "Scene") -> list[str]:
    """What is wrong while calls are answered."""
    return [] if scene.health is None else [*scene.health.warnings, *scene.health.database]


def _version(scene: "Scene") -> str:
    return "" if scene.running is None else scene.running.version


def _account(scene: "Scene") -> str:
    if scene.running is not None:
        return scene.running.account
    if scene.answer is not None and scene.refusal is None:
        return str(scene.answer.members.get("AccountId", ""))
    return ""
