"""Every check of `keystead doctor`, in the order of its lines: a function of the scene that gives what it finds.

A new check goes to the module of its subject, and into that module's CHECKS. One that does not apply gives nothing.
"""

from collections.abc import Callable, Iterator

from keystead.cli.diagnosis import access, connection, files, machine, server, variables
from keystead.cli.diagnosis.finding import Finding
from keystead.cli.diagnosis.scene import Scene

Check = Callable[[Scene], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    *server.CHECKS, *connection.CHECKS, *access.CHECKS, *files.CHECKS, *machine.CHECKS, *variables.CHECKS
)  # fmt: skip


def examine(scene: Scene) -> list[Finding]:
    """What all checks find."""
    return [finding for check in CHECKS for finding in check(scene)]
