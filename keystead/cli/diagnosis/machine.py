"""Checks of the machine that the server runs on."""

from collections.abc import Iterator

from keystead.cli.diagnosis.finding import Finding, ok, warning
from keystead.cli.diagnosis.scene import Scene
from keystead.server.operator import sm2_problem


def sm2(scene: Scene) -> Iterator[Finding]:
    """Keys of spec EC_SM2 can be made and used."""
    if scene.directory is None:
        return
    if missing := sm2_problem():
        yield warning("SM2", f"{missing.message}: keys of spec EC_SM2 are refused", missing.hint)
    else:
        yield ok("SM2", "keys of spec EC_SM2 can be used")


CHECKS = (sm2,)
