"""Which heads lie on their chains, in whichever order the records of a log come."""

import json

import pytest

from keystead.domain.audit import Head
from keystead.domain.proofs import heads as module
from keystead.domain.proofs.heads import Heads, Noted, noted_in


def digest(chain: str, sequence: int) -> bytes:
    return f"{chain}-{sequence}".encode().ljust(32, b".")


def noting(**heads: int) -> str:
    return json.dumps(
        {"Heads": {chain: str(Head(count, digest(chain, count))) for chain, count in heads.items()}}
    )


Row = tuple[str, int, str]


def rows(chain: str, *sequences: int) -> list[Row]:
    return [(chain, sequence, "") for sequence in sequences]


def judged(*log: Row) -> list[str]:
    heads = Heads()
    for chain, sequence, text in log:
        heads.follow(chain, sequence, digest(chain, sequence), text)
    if heads.late:
        late = Heads(heads.late)
        for chain, sequence, _ in log:
            late.follow(chain, sequence, digest(chain, sequence), "")
        late.end()
        heads.findings.join(late.findings)
    heads.end()
    return heads.findings.first


def test_what_a_record_notes_is_read() -> None:
    head = Head(3, digest("b", 3))
    assert noted_in(noting(b=3), "a", 7) == [Noted("b", head, "a", 7)]
    assert noted_in(json.dumps({"OldChain": "b", "OldHead": str(head)}), "a", 7) == [Noted("b", head, "a", 7)]
    assert noted_in(json.dumps({"Heads": {"b": str(head)}, "OldChain": "c"}), "a", 7)[0].chain == "b"
    assert Noted("b", head, "a", 7).whose == "record 7 of chain a"


@pytest.mark.parametrize(
    "parameters",
    [
        "{}",
        "no JSON",
        '{"Heads": {}}',
        '{"Heads": {"b": 3}}',
        '{"Heads": {"b": "3"}}',
        f'{{"Heads": {{"b": "{Head()}"}}}}',  # of a chain that was empty
        f'{{"OldChain": 3, "OldHead": "{Head(3, digest("b", 3))}"}}',
        f'{{"OldHead": "{Head(3, digest("b", 3))}"}}',
    ],
)
def test_what_names_no_head_notes_none(parameters: str) -> None:
    assert noted_in(parameters, "a", 1) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_head_that_lies_on_its_chain_is_right_wherever_that_is_in_the_log(count: int) -> None:
    note: list[Row] = [("a", 1, noting(b=count))]
    b = rows("b", 1, 2, 3)
    for place in range(4):
        assert judged(*b[:place], *note, *b[place:]) == []


def test_a_chain_that_is_not_there_is_missing() -> None:
    assert judged(("a", 1, ""), ("a", 2, noting(b=3))) == [
        "chain b is missing: record 2 of chain a notes record 3 of it"
    ]


def test_a_tail_that_is_not_there_was_cut_off() -> None:
    log = [*rows("b", 1, 2), ("a", 1, noting(b=3)), ("a", 2, noting(b=5)), ("c", 1, noting(b=4))]
    assert judged(*log) == [
        "chain b ends at record 2, and record 2 of chain a notes record 5 of it: its end was cut off"
    ]


@pytest.mark.parametrize("early", [True, False])
def test_another_record_than_the_one_that_was_noted_is_found(early: bool) -> None:
    other = json.dumps({"Heads": {"b": str(Head(2, bytes(32)))}})
    note: list[Row] = [("a", 1, other)]
    b = rows("b", 1, 2, 3)
    assert judged(*(note + b if early else b + note)) == [
        "record 2 of chain b is not the one that record 1 of chain a notes: one of them was written anew"
    ]


def test_what_was_noted_late_is_looked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    b = rows("b", *range(1, 11))
    for count in range(1, 11):
        assert judged(*b, ("a", 1, noting(b=count))) == []
    wrong = json.dumps({"Heads": {"b": str(Head(2, bytes(32)))}})
    assert "record 2 of chain b is not the one" in judged(*b, ("a", 1, wrong))[0]
    heads = Heads()
    for chain, sequence, _ in b:
        heads.follow(chain, sequence, digest(chain, sequence), "")
    heads.follow("a", 1, digest("a", 1), noting(b=8))
    assert heads.late == []
    heads.follow("a", 2, digest("a", 2), noting(b=7))
    assert [one.head.count for one in heads.late] == [7]
    assert heads.amount == 2


def test_of_chains_that_stand_still_the_last_link_is_kept() -> None:
    heads = Heads()
    for number in range(1, 4):
        for sequence in (1, 2, 3):
            heads.follow(f"still-{number}", sequence, digest(f"still-{number}", sequence), "")
    heads.follow("goes on", 1, digest("goes on", 1), "")
    assert [len(one.links) for one in heads._chains.values()] == [1, 1, 3, 1]
    heads.follow("still-1", 4, digest("still-1", 4), "")
    heads.follow("a", 1, digest("a", 1), noting(**{"still-1": 3, "still-2": 3, "still-3": 3}))
    heads.follow("a", 2, digest("a", 2), noting(**{"still-1": 4}))
    heads.end()
    assert (heads.findings.amount, heads.late) == (0, [])


def test_what_is_covered_is_all_that_was_noted_up_to_a_record() -> None:
    heads = Heads(signed=("a", 3))
    log = [
        *rows("b", 1, 2, 3, 4),
        *rows("c", 1, 2),
        ("a", 1, noting(b=3, c=1)),
        ("a", 2, ""),
        ("a", 3, noting(b=2)),
        ("d", 1, noting(c=2)),
        ("a", 4, noting(b=4, c=2)),
    ]
    for chain, sequence, text in log:
        heads.follow(chain, sequence, digest(chain, sequence), text)
    assert heads.covered == {"b": 3, "c": 1}
