"""The least policies that allow some actions on some resources and nothing else, within the size that a policy may have."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keystead.access.documents import MAXIMUM_CHARACTERS

_ROOM = MAXIMUM_CHARACTERS - 1  # the file that a policy is written to ends with a newline

Use = tuple[str, str]  # an action and the resource that it is on


class _Allow(NamedTuple):
    """A statement: each of the actions on each of the resources."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]


def least_policies(uses: Iterable[Use]) -> list[str]:
    """Documents that together allow exactly these; none for nothing. One if it fits, else as few as come of filling one
    after the other."""
    statements = _grouped(set(uses))
    if not statements:
        return []
    readable = _text(statements, indent=2)
    if len(readable) <= _ROOM:
        return [readable]
    return [_text(one) for one in _packed(statements)]


def _grouped(uses: set[Use]) -> list[_Allow]:
    """As statements, by whichever way of grouping takes less: actions of the same resources, or resources of the same
    actions. Both are exact."""
    by_action = [
        _Allow(actions, resources) for resources, actions in _alike((action, one) for action, one in uses)
    ]
    by_resource = [
        _Allow(actions, resources) for actions, resources in _alike((one, action) for action, one in uses)
    ]
    return min(sorted(by_action), sorted(by_resource), key=lambda one: len(_text(one)))


def _alike(pairs: Iterable[tuple[str, str]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Of pairs of a one and another, the others that the same ones have: (others, ones)."""
    others: dict[str, set[str]] = {}
    for one, other in pairs:
        others.setdefault(one, set()).add(other)
    ones: dict[tuple[str, ...], list[str]] = {}
    for one in sorted(others):
        ones.setdefault(tuple(sorted(others[one])), []).append(one)
    return [(shared, tuple(having)) for shared, having in ones.items()]


def _packed(statements: Sequence[_Allow]) -> list[list[_Allow]]:
    """Statements in documents that fit: what is left of one that is too long goes on in the next document."""
    documents: list[list[_Allow]] = [[]]
    waiting = list(reversed(statements))
    while waiting:
        one, current = waiting.pop(), documents[-1]
        room = _how_many(current, one)
        if room == len(one.resources):
            current.append(one)
        elif room:
            current.append(one._replace(resources=one.resources[:room]))
            waiting.append(one._replace(resources=one.resources[room:]))
        elif current:
            documents.append([])
            waiting.append(one)
        else:  # not even one resource: the actions are too many
            half = len(one.actions) // 2
            waiting += [one._replace(actions=one.actions[half:]), one._replace(actions=one.actions[:half])]
    return documents


def _how_many(current: Sequence[_Allow], more: _Allow) -> int:
    """Of how many of its resources there is room for a statement."""
    low, high = 0, len(more.resources)
    while low < high:
        middle = (low + high + 1) // 2
        part = more._replace(resources=more.resources[:middle])
        if len(_text([*current, part])) <= _ROOM:
            low = middle
        else:
            high = middle - 1
    return low


def _text(statements: Sequence[_Allow], indent: int | None = None) -> str:
    document = {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": list(one.actions), "Resource": list(one.resources)}
            for one in statements
        ],
    }
    return json.dumps(document, indent=indent, separators=None if indent else (",", ":"))
