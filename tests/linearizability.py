"""Is there one order of all operations that explains every answer, and in which none comes before another had ended?

The search of Wing and Gong (1993) with the memory of Lowe (2017): what was tried is a set of operations done and the state
they led to. An operation without an answer may have happened at any time after it began, or never.
"""

import math
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

State = TypeVar("State")


class Operation(NamedTuple):
    """One call: when it began and ended (never, without an answer), what was asked, and what was answered."""

    began: float
    ended: float
    asked: str
    answered: str

    @property
    def unknown(self) -> bool:
        return self.ended == math.inf


class Model(NamedTuple, Generic[State]):
    """The state at the beginning, and what an operation answers and leaves behind in a state."""

    initial: State
    step: Callable[[State, str], tuple[str, State]]


def linearizable(history: Sequence[Operation], model: Model[State]) -> bool:
    """Whether the history of one object has an order that the model explains."""
    operations = sorted(history)
    known = sum(1 << number for number, one in enumerate(operations) if not one.unknown)
    tried: set[tuple[int, State]] = set()
    waiting = [(0, model.initial)]
    while waiting:
        done, state = waiting.pop()
        if done & known == known:
            return True
        if (done, state) in tried:
            continue
        tried.add((done, state))
        # Only what began before any of the rest ended can be the next.
        left = [number for number in range(len(operations)) if not done >> number & 1]
        first_end = min(operations[number].ended for number in left)
        alike: set[str] = set()
        for number in left:
            one = operations[number]
            if one.began > first_end:
                break
            answer, after = model.step(state, one.asked)
            if not one.unknown:
                if answer == one.answered:
                    waiting.append((done | 1 << number, after))
            elif after != state and one.asked not in alike:
                # Without an effect it may as well be left out, and of several alike that which began first serves for all.
                alike.add(one.asked)
                waiting.append((done | 1 << number, after))
    return False
