"""An example of a call for every operation, in the client file: data that its build made."""

import json
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keystead.api.catalogue import Operation


def example(operation: "Operation") -> str:
    """A command that calls the operation, on as many lines as a terminal of 80 columns needs."""
    made = json.loads(pkgutil.get_data("keystead.cli", "call_examples.json") or b"{}")
    return str(made[operation.action])
