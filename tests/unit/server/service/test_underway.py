"""What does not come to its end is said once, and once more when it does."""

import threading

import pytest

from keystead.server.service.underway import COMMIT, LOOP, PATIENCE, SLOW_WORK, Hanging, Underway


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "keystead")


class Watched:
    def __init__(self) -> None:
        self.underway = Underway()
        self.counts: dict[str, int] = {}
        self.hanging = Hanging(self.underway, self.counts.__setitem__)

    def look(self, seconds: int) -> None:
        for _ in range(seconds):
            self.hanging.look()


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.mark.parametrize("kind", [LOOP, COMMIT, SLOW_WORK])
def test_one_piece_that_takes_too_long_is_said_once(
    kind: str, watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.underway.begin(kind)
    watched.look(PATIENCE[kind])
    assert caplog.text == ""
    assert watched.counts == {LOOP: 0, COMMIT: 0, SLOW_WORK: 0}
    watched.look(3)
    assert caplog.text.count(f"{kind} hangs") == 1
    (record,) = caplog.records
    assert any("test_underway.py" in place for place in record.fields["places"])  # type: ignore[attr-defined]
    assert watched.counts[kind] == 1
    watched.underway.end(kind)
    watched.look(1)
    assert caplog.text.count(f"{kind} hangs no longer") == 1
    assert watched.counts[kind] == 0
    watched.look(1)
    assert len(caplog.records) == 2


def test_many_pieces_one_after_another_are_none_that_hangs(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3 * PATIENCE[COMMIT]):
        watched.underway.begin(COMMIT)
        watched.look(1)
        watched.underway.end(COMMIT)
        watched.underway.begin(LOOP)
        watched.look(1)
    assert caplog.text == ""


def test_the_next_piece_of_the_same_thread_ends_it_too(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.underway.begin(LOOP)
    watched.look(PATIENCE[LOOP] + 1)
    assert watched.hanging.problems() == [f"the event loop has not turned for {PATIENCE[LOOP]} s"]
    watched.underway.begin(LOOP)
    watched.look(1)
    assert watched.hanging.problems() == []
    assert "event loop hangs no longer" in caplog.text


def test_what_hangs_in_several_threads_is_counted(watched: Watched) -> None:
    go_on = threading.Event()

    def work() -> None:
        watched.underway.begin(SLOW_WORK)
        go_on.wait(20)
        watched.underway.end(SLOW_WORK)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    while len(watched.underway.pieces()) < 2:
        pass
    watched.look(PATIENCE[SLOW_WORK] + 1)
    assert watched.counts[SLOW_WORK] == 2
    assert watched.hanging.problems() == []  # other calls are answered
    go_on.set()
    for thread in threads:
        thread.join()
    watched.look(1)
    assert watched.counts[SLOW_WORK] == 0


def test_a_thread_that_is_gone_has_no_places(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    thread = threading.Thread(target=watched.underway.begin, args=(COMMIT,))
    thread.start()
    thread.join()
    watched.look(PATIENCE[COMMIT] + 1)
    assert caplog.records[0].fields["places"] == []  # type: ignore[attr-defined]


def test_a_commit_that_hangs_is_said_with_its_seconds(watched: Watched) -> None:
    watched.underway.begin(COMMIT)
    watched.look(300)
    assert watched.hanging.problems() == ["a commit has not returned for 299 s: the disk hangs"]
    watched.underway.end(COMMIT)
    watched.look(1)
    assert watched.hanging.problems() == []
