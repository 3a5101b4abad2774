"""What is being done at this moment, in which thread, and what of it does not come to an end."""

import itertools
import sys
import threading
from collections.abc import Callable
from typing import NamedTuple

from keystead.server import logs

LOOP = "event loop"  # one turn
COMMIT = "commit"
SLOW_WORK = "slow work"  # one piece
# Seconds after which each is said to hang. A key pair may take long on a machine that others keep busy.
PATIENCE = {LOOP: 5, COMMIT: 5, SLOW_WORK: 60}
# What keeps all calls from being answered; a piece of slow work keeps its own caller waiting.
BLOCKS_ALL = {
    COMMIT: "a commit has not returned for {} s: the disk hangs",
    LOOP: "the event loop has not turned for {} s",
}


class Piece(NamedTuple):
    """One piece of work: its kind, and the thread that does it."""

    kind: str
    thread: int


class Underway:
    """Written by those who do the work."""

    def __init__(self) -> None:
        self._pieces: dict[Piece, int] = {}
        self._serial = itertools.count()

    def begin(self, kind: str) -> None:
        """This thread begins the next piece of this kind."""
        self._pieces[Piece(kind, threading.get_ident())] = next(self._serial)

    def end(self, kind: str) -> None:
        """This thread's piece of this kind is done."""
        self._pieces.pop(Piece(kind, threading.get_ident()), None)

    def pieces(self) -> dict[Piece, int]:
        """All of them with a number of their own, from any thread."""
        return self._pieces.copy()


class Hanging:
    """Read by the one who watches, from a thread of its own, once a second by its own count: when the whole process stood
    still, no time has passed."""

    def __init__(self, underway: Underway, changed: Callable[[str, int], None]) -> None:
        """`changed` is told how many pieces of a kind hang."""
        self._underway = underway
        self._changed = changed
        self._seen: dict[Piece, tuple[int, int]] = {}  # its number, and for how many seconds it has been seen

    def look(self) -> None:
        """A second has passed."""
        before, now = self._seen, dict[Piece, tuple[int, int]]()
        for piece, number in self._underway.pieces().items():
            known, seconds = before.get(piece, (number, -1))
            now[piece] = (number, seconds + 1 if known == number else 0)
            if now[piece][1] == PATIENCE[piece.kind]:
                logs.event(
                    f"{piece.kind} hangs", "error", seconds=PATIENCE[piece.kind], places=_places(piece)
                )
        for piece, (number, seconds) in before.items():
            if seconds >= PATIENCE[piece.kind] and now.get(piece, (-1, 0))[0] != number:
                logs.event(f"{piece.kind} hangs no longer", "warning", seconds=seconds)
        self._seen = now  # as a whole: other threads read it
        for kind in PATIENCE:
            self._changed(kind, len(self._longer_than(kind, PATIENCE[kind])))

    def problems(self) -> list[str]:
        """What keeps all calls from being answered."""
        return [
            text.format(max(found))
            for kind, text in BLOCKS_ALL.items()
            if (found := self._longer_than(kind, PATIENCE[kind]))
        ]

    def _longer_than(self, kind: str, least: int) -> list[int]:
        """For how many seconds each piece of the kind has been seen, if that is so many."""
        return [
            seconds for piece, (_, seconds) in self._seen.items() if piece.kind == kind and seconds >= least
        ]


def _places(piece: Piece) -> list[str]:
    """Where the thread is at this moment."""
    frame = sys._current_frames().get(piece.thread)
    return [] if frame is None else logs.places(frame)
