"""What a server does that no client can bring about in time."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keystead.server import app


@pytest.mark.parametrize(
    ("looked", "presented", "served"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_who_waits_for_what_is_served_is_told_whether_it_is(
    looked: bool, presented: bool, served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_FOLLOWED_WITHIN", 0.01 if not presented else 60)
    told: list[bool] = []

    async def main() -> None:
        def when_presented(then: Callable[[], None]) -> None:
            if presented:
                then()
            else:
                late.append(then)

        late: list[Callable[[], None]] = []
        answered = asyncio.Event()

        def then(outcome: bool) -> None:
            told.append(outcome)
            answered.set()

        server = SimpleNamespace(
            _api=SimpleNamespace(present=None, when_presented=when_presented),
            _certificate=SimpleNamespace(adopting=lambda then: then, look=lambda present: looked),
            service=SimpleNamespace(sequencer=SimpleNamespace(run=lambda job: job())),
        )
        app.Server.follow(cast(Any, server), then)
        await asyncio.wait_for(answered.wait(), 30)
        for one in late:  # nobody waits any more
            one()

    asyncio.run(main())
    assert told == [served]
