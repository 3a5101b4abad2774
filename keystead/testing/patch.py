"""The environment of `run` in this process, for as long as a test wants."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import certifi

from keystead.proxy.environment import Change
from keystead.variables import CA_BUNDLE


def roots(change: Change) -> list[tuple[Any, str, Any]]:
    """What to set, as module, name and value, so that libraries trust the CA that have read their roots already, or would
    keep theirs. In a program that starts anew, PYTHONPATH does it."""
    bundle = change.values[CA_BUNDLE]
    found: list[tuple[Any, str, Any]] = [(one, "where", lambda: bundle) for one in (certifi, certifi.core)]
    with suppress(ImportError):
        import requests.adapters

        found.append((requests.adapters, "DEFAULT_CA_BUNDLE_PATH", bundle))
    return found


@contextmanager
def patched(change: Change) -> Iterator[None]:
    """Within it official clients work unmodified, here and in programs that are started."""
    variables = dict(os.environ)
    places = roots(change)
    before = [getattr(module, name) for module, name, _ in places]
    try:
        _become(change.apply(variables))
        for module, name, value in places:
            setattr(module, name, value)
        yield
    finally:
        for (module, name, _), value in zip(places, before, strict=True):
            setattr(module, name, value)
        _become(variables)


def _become(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
