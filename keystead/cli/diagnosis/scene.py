"""What can be seen of the server that commands are about, of its host, and of the environment: looked at once.

Nothing is changed, and one signed call is made, GetCallerIdentity. What can't be seen has the reason in its place.
"""

import argparse
import email.utils
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from keystead import variables
from keystead.cli import target
from keystead.client import handshake, health
from keystead.client.handshake import Handshake
from keystead.client.health import Health
from keystead.client.transport import Address, Answer, Session
from keystead.clock import Clock, SystemClock
from keystead.domain.products import KMS, STS
from keystead.entropy import Entropy, SystemEntropy
from keystead.errors import OperatorError, Unreachable
from keystead.server.data.directory import DataDirectory, Running
from keystead.server.data.discovery import Discovered, running_server
from keystead.server.data.store_place import has_data

# What the vendor's KMS endpoint answers to a call of another product.
_OTHER_PRODUCT = frozenset({"InvalidVersion", "InvalidAction.NotFound", "UnsupportedOperation"})
_VENDOR = ".aliyuncs.com"


class Scene(msgspec.Struct, kw_only=True):
    """`failure` is why no server was found; `untried` what kept the call from being made or answered."""

    environment: Mapping[str, str]
    now: float
    chosen: target.Target
    directory: DataDirectory | None = None  # the server's, where it is on this machine and may be looked into
    foreign: bool = False  # whether what is there is none of ours
    running: Running | None = None  # as it describes itself there
    failure: OperatorError | None = None
    region: str = ""  # of calls that name none; "": nobody knows it here
    region_source: str = ""  # what says so
    url: str = ""
    ca_file: str | None = None
    address: Address | None = None
    caller: target.Caller | None = None
    handshake: Handshake | None = None
    answer: Answer | None = None
    untried: OperatorError | None = None
    health: Health | None = None
    unhealthy: OperatorError | None = None

    @property
    def is_vendors(self) -> bool:
        """Whether the server is the vendor's own service."""
        return self.address is not None and self.address.host.endswith(_VENDOR)

    @property
    def refusal(self) -> Mapping[str, Any] | None:
        """The members of the answer, if it is a refusal."""
        answer = self.answer
        return None if answer is None or 200 <= answer.status < 300 else answer.members

    @property
    def clock_difference(self) -> float | None:
        """Seconds that the server's clock is ahead of this machine's, to within two; None if it did not tell."""
        if self.answer is None:
            return None
        with suppress(ValueError):
            return email.utils.parsedate_to_datetime(self.answer.date).timestamp() - self.now
        return None


def of(args: argparse.Namespace) -> list[Scene]:
    """What is to be seen, from here and now, of the server that a command's options are about, at each of its addresses."""
    chosen, named = target.select(args.endpoint, args.ca, args.data), args.command_name
    return [
        look(one, args.access_key, args.region, os.environ, SystemClock(), SystemEntropy(), named)
        for one in chosen.each
    ]


def look(
    chosen: target.Target,
    access_key_file: str | None,
    region: str | None,
    environment: Mapping[str, str],
    clock: Clock,
    entropy: Entropy,
    command: str,
) -> Scene:
    """All that is to be seen of the server that was chosen; it raises nothing for what is wrong with that."""
    scene = Scene(environment=environment, now=clock.now(), chosen=chosen)
    found: Discovered | None = None
    try:
        if chosen.url:
            scene.url, scene.ca_file = chosen.url, chosen.ca_file
            _find_own_directory(scene)
        else:
            directory = DataDirectory(chosen.data)
            directory.check_access()
            scene.directory = directory
            found = running_server(chosen.data)
            scene.url, scene.ca_file, scene.running = found.url, found.ca_file, directory.running()
        scene.address = Address.of(scene.url)
    except OperatorError as problem:
        scene.failure = _of_what_is_foreign(scene) or problem
        scene.url = scene.url if scene.address else ""  # what is no address may hold a password
        return scene
    scene.region, scene.region_source = _region(region, scene.address.host, scene.running)
    _ask_health(scene)
    try:
        scene.caller = target.caller(access_key_file, scene.url, found)
    except OperatorError as problem:
        scene.untried = problem
    try:
        if scene.address.tls:
            scene.handshake = handshake.look(scene.address, scene.ca_file)
    except OperatorError as problem:
        scene.failure = problem
        return scene
    if scene.caller is not None:
        _call(scene, scene.caller, clock, entropy, command)
    return scene


def _of_what_is_foreign(scene: Scene) -> OperatorError | None:
    """Why no server can be started where none was found, as `serve` would say it; None if one can."""
    if scene.directory is None or has_data(scene.directory):
        return None
    try:
        scene.directory.check_usable()
    except OperatorError as problem:
        scene.foreign = True
        return Unreachable(problem.message, hint=problem.hint)
    return None


def _region(named: str | None, host: str, running: Running | None) -> tuple[str, str]:
    """The region of calls, in the order in which a server looks for it, and what says so."""
    if found := KMS.region_in(host):
        return found, "the endpoint's name"
    if found := target.region(named):
        return found, "--region" if named is not None else variables.REGION
    return (running.region, "the server's") if running is not None else ("", "")


def _find_own_directory(scene: Scene) -> None:
    """Where the environment names a server's address and its directory, both are to be seen."""
    named = scene.environment.get(variables.DATA, "")
    if not named:
        return
    directory = DataDirectory(named)
    with suppress(OperatorError):
        directory.check_access()
        running = directory.running()
        if running is not None and running.url == scene.url and directory.locked():
            scene.directory, scene.running = directory, running


def _ask_health(scene: Scene) -> None:
    if scene.running is None:
        return
    try:
        scene.health = health.ask(scene.running.ops_url)
    except OperatorError as problem:
        scene.unhealthy = problem


def _call(scene: Scene, caller: target.Caller, clock: Clock, entropy: Entropy, command: str) -> None:
    """Ask who calls; the vendor's KMS endpoint, which does not know that question, for its regions."""
    where = target.Target(url=scene.url, ca_file=scene.ca_file, because="")
    try:
        with Session(target.addressed(where, caller), clock, entropy, command) as session:
            scene.answer = session.call("GetCallerIdentity", STS.version, {})
            if scene.refusal is not None and scene.refusal["Code"] in _OTHER_PRODUCT:
                scene.answer = session.call("DescribeRegions", KMS.version, {})
            scene.now = clock.now()
    except OperatorError as problem:
        scene.untried = problem
