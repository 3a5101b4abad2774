"""Planned faults: the next calls of an action are refused, slow, or cut off."""

import enum
import math
from collections.abc import Iterable, Sequence

import msgspec

from keystead.api.operation import CATALOGUE, Operation
from keystead.cli.output import nearest
from keystead.domain.products import PRODUCTS
from keystead.errors import CODES

# Code, status and message of refusals that a server gives when it has too much to do.
_BUSY = {
    "Rejected.Throttling": (429, "QPS Limit Exceeded"),
    "Throttling": (400, "Request was denied due to request throttling."),
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "Throttling.Api": (400, "Request was denied due to api flow control."),
}
_BY_STATUS = {429: "Rejected.Throttling", 500: "InternalFailure", 503: "ServiceUnavailableTemporary"}


class Effect(enum.Enum):
    REFUSED = "refused"  # answered with a refusal; not performed
    SLOW = "slow"  # performed after a while
    CUT = "cut"  # the connection ends before it is performed
    CUT_AFTER = "cut after"  # it is performed, and the connection ends instead of the answer


class Fault(msgspec.Struct, kw_only=True):
    """What happens to calls of an action ("" for any), `times` times (None: always)."""

    action: str
    effect: Effect
    times: int | None
    met: bool = False
    status: int = 0
    code: str = ""
    message: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        what = f"{self.status} {self.code}" if self.effect is Effect.REFUSED else self.effect.value
        return f"{what} for {self.action or 'any call'}"


class Faults:
    """The plan: the first fault that fits a call is met by it."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, fault: Fault) -> None:
        """ValueError for a fault that could never be met."""
        if fault.action:
            operation(fault.action)
        if fault.times is not None and not (whole(fault.times) and fault.times >= 1):
            raise ValueError("times must be a whole number, at least 1, or None for always")
        if not (number(fault.seconds) and fault.seconds >= 0):
            raise ValueError("seconds must be a number, 0 or more")
        for one in self._planned:
            if one.times is None and one.action in ("", fault.action):
                raise ValueError(
                    f"no call could meet this fault: all of them meet an earlier one, {one}, times=None"
                )
        self._planned.append(fault)

    def meet(self, action: str) -> Fault | None:
        """The fault of a call, which is used up by that."""
        for fault in self._planned:
            if fault.action in ("", action):
                fault.met = True
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._planned.remove(fault)
                return fault
        return None

    def unmet(self) -> Iterable[Fault]:
        """Faults that no call has met as often as was planned; once is enough for those that are always so."""
        return [fault for fault in self._planned if fault.times is not None or not fault.met]

    def clear(self) -> None:
        self._planned.clear()


def operation(action: str) -> Operation:
    """The operation that clients call; ValueError if there is none."""
    for product in PRODUCTS:
        found = CATALOGUE.find(product.version, action)
        if found is not None and not product.ours:
            return found
    known = [one.action for one in CATALOGUE if not one.product.ours]
    raise ValueError(f"there is no operation {action!r}{meant(action, known)}")


def meant(word: str, known: Sequence[str]) -> str:
    """The end of an error that names what was probably meant; "" for nothing."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


def number(value: object) -> bool:
    """Whether it is a number that there can be so much of."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def whole(value: object) -> bool:
    """Whether it is a number of times."""
    return isinstance(value, int) and not isinstance(value, bool)


def refusal(action: str, status: int | None, code: str | None, times: int | None) -> Fault:
    """A refusal by its code, with the vendor's status and message, or by its status. ValueError if neither tells one."""
    if status is not None and not whole(status):
        raise ValueError("a status is a whole number: status=503")
    if code is None:
        if status is None:
            raise ValueError("name the refusal: fail(status=503), or fail(code='Throttling.User')")
        if status not in _BY_STATUS:
            raise ValueError(
                f"the status {status} stands for more than one refusal, or for none: add its code, "
                f"or take one of {', '.join(map(str, _BY_STATUS))}"
            )
        code = _BY_STATUS[status]
    if code in _BUSY:
        known_status, message = _BUSY[code]
    elif code in CODES:
        error = CODES[code][0]
        known_status, message = error.status, error.message
    elif status is not None:
        known_status, message = status, "This refusal was planned by a test."
    else:
        near = nearest(code, [*_BUSY, *CODES])
        hint = f"did you mean {near!r}, or give its status" if near else "give its status"
        raise ValueError(f"{code!r} is no code of this server; {hint}")
    status = known_status if status is None else status
    if not 400 <= status <= 599:
        raise ValueError("a refusal has a status from 400 to 599")
    return Fault(action=action, effect=Effect.REFUSED, times=times, status=status, code=code, message=message)
