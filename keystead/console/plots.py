"""Small plots: numbers over time as the rectangles of an SVG, drawn by the page."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 600, 72
_GAP = 2


class Bar(NamedTuple):
    """A rectangle, in the units of the plot, from its top left corner."""

    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[int], top: int) -> list[Bar]:
    """A bar for each value above 0, `top` being as high as the plot; what is not 0 is seen."""
    step = WIDTH / max(len(values), 1)
    found = []
    for number, value in enumerate(values):
        if value > 0:
            height = max(round(HEIGHT * value / max(top, 1), 1), 2.0)
            found.append(
                Bar(round(number * step, 1), round(HEIGHT - height, 1), round(step - _GAP, 1), height)
            )
    return found
