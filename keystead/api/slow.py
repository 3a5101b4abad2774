"""Slow work: computed in a pool while other calls go on, between two passes of its call through the pipeline.

`call.slow(function, *values)` abandons the first pass. The function, which must be pure and come before any effect, runs in
the pool; then the whole pipeline runs anew, everything is checked anew, and the result is there. Only that the request was
signed with its AccessKey's secret is not verified again: neither of the two ever changes. An outcome belongs to one call and
is never shared: two calls that make a key make two.
"""

import enum
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from keystead.access.callers import Caller

T = TypeVar("T")
Nonce = tuple[int, bytes]
_Asked = tuple[Callable[..., Any], tuple[Any, ...]]


class Work(enum.Enum):
    """What slow work does; each kind has threads of its own, so that none waits for another."""

    USING = "using"  # a key pair: milliseconds
    MAKING = "making"  # a key pair: up to a second
    LOOKING = "looking"  # at what is committed: up to seconds of a disk, few of them the interpreter's


class Slow(BaseException):
    """This pass is abandoned until the function has been run on the values.

    Not an Exception: what handles the errors of a call must let it through.
    """

    def __init__(
        self, function: Callable[..., Any], values: tuple[Any, ...], work: Work = Work.USING
    ) -> None:
        super().__init__()
        self.function = function
        self.values = values
        self.work = work

    def run(self) -> Future[Any]:
        """The outcome, computed here and now."""
        outcome: Future[Any] = Future()
        try:
            outcome.set_result(self.function(*self.values))
        except Exception as error:  # it is raised again where the call asked for the result
            outcome.set_exception(error)
        return outcome


class Attempt:
    """What a call keeps from one pass to the next: its verified caller, the nonce that it holds, the outcomes of its slow
    work."""

    __slots__ = ("_outcomes", "caller", "nonce")

    def __init__(self) -> None:
        self._outcomes: dict[_Asked, Future[Any]] = {}
        self.nonce: Nonce | None = None
        self.caller: Caller | None = None

    @property
    def slow(self) -> bool:
        """Whether the call has had slow work done."""
        return bool(self._outcomes)

    def result(self, function: Callable[..., T], values: tuple[Any, ...], work: Work = Work.USING) -> T:
        """What the function gave for these values, or raised; Slow if it has not run yet."""
        outcome = self._outcomes.get((function, values))
        if outcome is None:
            raise Slow(function, values, work)
        found: T = outcome.result()
        return found

    def remember(self, slow: Slow, outcome: Future[Any]) -> None:
        """Keep an outcome for the next pass."""
        self._outcomes[slow.function, slow.values] = outcome
