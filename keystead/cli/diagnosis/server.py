"""Checks of the server itself: is there one, is it ready, which version is it."""

import shutil
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

from keystead import __version__, variables
from keystead.cli.diagnosis.finding import Finding, ok, problem, trouble, warning
from keystead.cli.diagnosis.scene import Scene
from keystead.errors import LATER
from keystead.server.data.store_place import has_data
from keystead.server.network.listener import is_loopback

UNIT = "keystead"
_PATIENCE = 5.0  # seconds that systemd may take


def found(scene: Scene) -> Iterator[Finding]:
    """There is a server where commands look for one."""
    where = f"({scene.chosen.because})"
    if scene.failure is None:
        yield ok("server", f"{scene.url} {where}")
        return
    remedy = scene.failure.hint
    if scene.running is not None:
        remedy = (
            f"process {scene.running.pid} is there and does not answer: its log says what hangs; restart it"
        )
    made = scene.directory is None or has_data(scene.directory)
    if not (scene.chosen.url or made or scene.foreign):
        remedy += "; where it is on another host, name it with --endpoint URL, or in KEYSTEAD_ENDPOINT"
    yield problem("server", f"{scene.failure.message} {where}", remedy)


def vendors(scene: Scene) -> Iterator[Finding]:
    """It is a server of one's own."""
    if scene.is_vendors:
        yield warning(
            "server",
            f"{scene.url} is the vendor's own service: commands call it, and it bills them",
            "for a server of your own change --endpoint or KEYSTEAD_ENDPOINT, or leave it out",
        )


def ready(scene: Scene) -> Iterator[Finding]:
    """Calls are answered."""
    if scene.health is not None:
        for one in scene.health.problems:
            yield problem("readiness", one, "the log of the server says more")
        for one in scene.health.warnings:
            yield problem("stored data", one, "the how-to page on altered data says what to do")
        for one in scene.health.database:
            yield warning("database", one, "the page on several servers says what PostgreSQL is to be set to")
        if not scene.health.problems:
            yield ok("readiness", "calls are answered")
    elif scene.refusal is not None and scene.refusal["Code"] in LATER:
        yield problem(
            "readiness",
            f"the server cannot answer now: {scene.refusal['Code']}",
            "try again; /ready and the log on the server's host say why",
        )


def health(scene: Scene) -> Iterator[Finding]:
    """The ops listener answers, and to this machine alone."""
    if scene.unhealthy is not None:
        yield trouble("ops port", scene.unhealthy)
    elif scene.running is not None:
        url = scene.running.ops_url
        if is_loopback(urlsplit(url).hostname or ""):
            yield ok("ops port", f"health and metrics at {url}")
        else:
            yield warning(
                "ops port",
                f"health and metrics at {url} are open to other hosts, and ask for no password",
                "set ops-listen to an address of this machine alone, or let a firewall say who reaches it",
            )


def versions(scene: Scene) -> Iterator[Finding]:
    """The server is the program that this is; another host's server does not tell strangers which it is."""
    if scene.running is None:
        return
    if scene.running.version == __version__:
        yield ok("version", __version__)
    else:
        yield warning(
            "version",
            f"the server is keystead {scene.running.version}, this command is {__version__}",
            "after an upgrade restart the server; else call the other one's program",
        )


def region(scene: Scene) -> Iterator[Finding]:
    """Calls are about the server's own region, unless that was said on this very command line."""
    if scene.running is None or scene.region_source != variables.REGION:
        return
    if scene.region != scene.running.region:
        yield warning(
            "region",
            f"{variables.REGION} is {scene.region}, and the server's own region is {scene.running.region}: keys that "
            "were made without the variable are not found with it",
            f"unset {variables.REGION}, unless another region is meant",
        )


def unit(scene: Scene) -> Iterator[Finding]:
    """The systemd unit, where this machine has it, runs, and does so again after a boot."""
    state = _unit()
    active, lasting = state.get("ActiveState", ""), state.get("UnitFileState", "")
    if state.get("LoadState") != "loaded":
        return
    if active == "failed":
        yield problem(
            "unit",
            f"{UNIT}.service has failed: {state.get('Result') or 'unknown'}",
            f"journalctl -u {UNIT} says why; then systemctl restart {UNIT}",
        )
    elif active != "active":
        yield warning("unit", f"{UNIT}.service is {active}", f"systemctl start {UNIT}, if it is to run here")
    elif lasting == "disabled":
        yield warning(
            "unit", f"{UNIT}.service will not start when the machine does", f"systemctl enable {UNIT}"
        )
    else:
        yield ok("unit", f"{UNIT}.service is active")


def _unit() -> dict[str, str]:
    """Some properties of the unit; none where there is no systemd."""
    program = shutil.which("systemctl")
    if program is None:
        return {}
    asked = ["LoadState", "ActiveState", "UnitFileState", "Result"]
    try:
        told = subprocess.run(
            [program, "show", f"{UNIT}.service", f"--property={','.join(asked)}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    parted = (line.partition("=") for line in told.stdout.splitlines())
    return {name: value for name, _, value in parted}


CHECKS = (found, vendors, region, ready, health, versions, unit)
