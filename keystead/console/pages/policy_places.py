"""Where in a policy's text something is wrong: the line of a place like `Statement[1].Action`, or the line that a fault of
JSON names."""

import json
import re

_NAMED = re.compile(r"\bat line ([0-9]{1,6})\b")
_PLACE = re.compile(r"\A(?P<place>[A-Za-z]+(?:\[[0-9]{1,4}\])?(?:\.[^\s:]+)*): ")
_STEP = re.compile(r"([^.\[\]]+)(?:\[([0-9]+)\])?")
_SPACE = re.compile(r"[\s,:]*")
_DECODER = json.JSONDecoder()


def line_of(text: str, complaint: str) -> int:
    """The line (from 1) of what this complaint is about, or of the innermost part around it that is there; 0 if it names no
    place."""
    if (named := _NAMED.search(complaint)) is not None:
        return min(int(named[1]), len(text.splitlines()))
    if (found := _PLACE.match(complaint)) is None:
        return 0
    try:
        return text.count("\n", 0, _reach(text, found["place"])) + 1
    except (ValueError, RecursionError):  # it is not the JSON of which that was said
        return 0


def _reach(text: str, place: str) -> int:
    """Where the value at this place begins, or the innermost part around it."""
    at = _space(text, 0)
    for name, number in _STEP.findall(place):
        inner = _member(text, at, name)
        if inner is None:
            break
        at = inner
        if number:
            item = _item(text, at, int(number))
            if item is None:
                break
            at = item
    return at


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _member(text: str, at: int, name: str) -> int | None:
    """Where the value of a member begins, of the object that begins here."""
    if text[at : at + 1] != "{":
        return None
    at = _space(text, at + 1)
    while text[at : at + 1] == '"':
        found, end = _DECODER.raw_decode(text, at)
        at = _space(text, end)
        if found == name:
            return at
        at = _space(text, _DECODER.raw_decode(text, at)[1])
    return None


def _item(text: str, at: int, number: int) -> int | None:
    """Where an item begins, of the list that begins here."""
    if text[at : at + 1] != "[":
        return None
    at = _space(text, at + 1)
    for _ in range(number):
        if text[at : at + 1] in ("]", ""):
            return None
        at = _space(text, _DECODER.raw_decode(text, at)[1])
    return at
