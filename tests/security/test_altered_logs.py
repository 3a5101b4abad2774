"""Every single edit, removal, swap, insertion and cut of an exported log is found against a checkpoint, by both verifiers.

What a verifier knows of the lines that it has taken is its state, and no more. So the log as it is was taken once, and a copy
of the state kept at each place; an alteration is found from there, by what was altered and the lines after it. A part of them
is tried with the whole log as well, which must come to the same.
"""

import copy
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import pytest

from keystead.cli.commands.audit import exported
from keystead.crypto.notes import Signer
from keystead.domain.audit import COLUMNS, Head, Kind, Record, columns, hashed, link
from keystead.domain.checkpoints import Checkpoint, origin
from keystead.errors import OperatorError
from keystead.store.lookups import Verdict
from keystead.store.verification import Verification, _Chain
from tests.unit.domain.test_audit import RECORD

ROOT = Path(__file__).parents[2]
EVIDENCE = os.environ.get("TEST_EVIDENCE") == "1"
RECORDS = 10_000 if EVIDENCE else 90
WHOLE_EVERY = (
    25 if EVIDENCE else 2
)  # places between two at which one kind of alteration is tried with the whole log
LETTERS_EVERY = (
    250 if EVIDENCE else 30
)  # lines between two of which every byte is cut off, and every bit flipped
CHAIN = "11111111-2222-4333-8444-555555555555"
SIGNER = Signer(origin(CHAIN), bytes(range(32)))
Lines = list[bytes]
ACTIONS = ("Encrypt", "Decrypt", "DisableKey", "CreateKey")


def second() -> ModuleType:
    """The verifier that needs Python alone."""
    spec = spec_from_file_location("verify_log", ROOT / "examples" / "auditor" / "verify_log.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SECOND = second()


def made(number: int) -> Record:
    # What is read quickly: of the first format one by one, and at the end many lines at once.
    plain = number <= RECORDS // 6 or number > 2 * RECORDS // 3
    return msgspec.structs.replace(
        RECORD,
        chain=CHAIN,
        sequence=number,
        # The log of a server that was upgraded.
        format=1 if number <= RECORDS // 3 else 2,
        revision=0 if number <= RECORDS // 3 else number // 9,
        time=RECORD.time + number,
        kind=Kind.API_CALL,
        action=ACTIONS[number % len(ACTIONS)],
        session="密" if number % 7 == 0 and not plain else "",
        user_agent="\x7f\\" if number % 11 == 0 and not plain else "an agent",
        parameters='{"KeyId":"k"}' if plain else RECORD.parameters,
        code="Forbidden.NoPermission" if number % 5 == 0 else "",
        request_id=f"request-{number}",
    )


def log_of(records: Sequence[Record]) -> tuple[Lines, Head]:
    """Their lines, and the head, as whoever can write a log would make them."""
    head = Head()
    lines = []
    for record in records:
        head = Head(record.sequence, link(head.hash, record))
        lines.append(exported.line(columns(record), head.hash).encode())
    return lines, head


WHOLE, HEAD = log_of([made(number) for number in range(1, RECORDS + 1)])


def test_a_part_of_the_log_is_read_quickly() -> None:
    assert len(exported._quickly(WHOLE[-(RECORDS // 3) :])) == RECORDS // 3
    assert len(exported._quickly(WHOLE[: RECORDS // 6])) == RECORDS // 6
    assert exported._quickly(WHOLE[: RECORDS // 2]) == []


class State(NamedTuple):
    """What both verifiers know."""

    first: tuple[Verdict, ...] = ()
    second: Any = None  # None: nothing yet


def first_finds(lines: Iterable[bytes], state: State = State()) -> bool:
    """Whether our own verifier finds anything. It takes no more lines than that needs."""
    verification = Verification(state.first, HEAD)
    try:
        for row in exported.records(lines, "log"):
            verification.follow(*row)
            if any(one.bad for one in verification._chains.values()):
                return True
    except OperatorError:
        return True
    return [one.noted for one in verification.verdicts if one.chain == CHAIN] != [True]


def second_finds(lines: Iterable[bytes], state: State = State()) -> bool:
    proof = again(state.second) if state.second else SECOND.Proof(CHAIN, HEAD.count, HEAD.hash)
    try:
        for line in lines:
            proof.take(line)
        proof.end()
    except ValueError:
        return True
    return False


def again(proof: Any) -> Any:
    """A copy that goes its own way."""
    made = copy.copy(proof)
    made.heads = dict(proof.heads)
    return made


def both_find(lines: Sequence[bytes]) -> bool:
    return first_finds(lines) and second_finds(lines)


@pytest.fixture(scope="module")
def states() -> list[State]:
    """Those before each line of the log as it is, and after the last one."""
    verification = Verification(expect=HEAD)
    proof = SECOND.Proof(CHAIN, HEAD.count, HEAD.hash)
    found = [State(verification.verdicts, again(proof))]
    for line, row in zip(WHOLE, exported.records(WHOLE, "log"), strict=True):
        verification.follow(*row)
        proof.take(line)
        found.append(State(verification.verdicts, again(proof)))
    return found


class Altered(NamedTuple):
    """The log with other lines from the line `place` up to, and without, the line `after`."""

    place: int
    lines: Lines
    after: int

    @property
    def whole(self) -> Lines:
        return [*WHOLE[: self.place], *self.lines, *WHOLE[self.after :]]

    def found(self, states: Sequence[State]) -> bool:
        """Whether both verifiers find it, from the state before it."""
        return all(
            finds(chain(self.lines, islice(WHOLE, self.after, None)), states[self.place])
            for finds in (first_finds, second_finds)
        )


def written(place: int, content: bytes) -> Altered:
    """Other bytes in place of one line, as a file has them: they may be several lines, or go on in the next one."""
    return Altered(place, list(BytesIO(content + b"".join(WHOLE[place + 1 : place + 2]))), place + 2)


def edited(place: int, name: str) -> Altered:
    """One member of one record, changed."""
    record = json.loads(WHOLE[place])
    value = record.get(name, 0)
    record[name] = value + 1 if isinstance(value, int) else f"{value}x"
    return written(place, compact(record))


def compact(record: dict[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def edits(place: int) -> Iterator[Altered]:
    for name in (*COLUMNS, "hash"):
        yield edited(place, name)


def with_its_hash(place: int) -> Iterator[Altered]:
    """One record changed, with a hash that fits it."""
    record = msgspec.structs.replace(made(place + 1), action="ListKeys")
    before = json.loads(WHOLE[place - 1])["hash"] if place else "00" * 32
    yield written(place, exported.line(columns(record), link(bytes.fromhex(before), record)).encode())


def other_ways(place: int) -> Iterator[Altered]:
    """The same, said in another way; a member that is said twice, or one more."""
    line = WHOLE[place]
    record = json.loads(line)
    yield written(place, json.dumps(record).encode() + b"\n")
    yield written(place, compact(dict(sorted(record.items()))))
    yield written(place, compact(record | {"hash": record["hash"].upper()}))
    yield written(place, compact(record | {"note": "nothing happened"}))
    yield written(place, line.replace(b'"action":', b'"action":"ListKeys","action":', 1))
    yield written(place, line.replace(b"request-", b"\\u0072equest-", 1))
    yield written(place, line.replace(b"\n", b"\r\n"))
    yield written(place, b"\n" + line)


def removals(place: int) -> Iterator[Altered]:
    yield Altered(place, [], place + 1)
    yield Altered(place, [], min(place + 1 + place % 7, len(WHOLE)))


def swaps(place: int) -> Iterator[Altered]:
    for other in {(place + 1) % len(WHOLE), (place * 7919 + 5) % len(WHOLE)} - {place}:
        one, two = sorted((place, other))
        yield Altered(one, [WHOLE[two], *WHOLE[one + 1 : two], WHOLE[one]], two + 1)


def insertions(place: int) -> Iterator[Altered]:
    for line in (WHOLE[(place * 7) % len(WHOLE)], WHOLE[place], b"{}\n", b"\n"):
        yield Altered(place, [line], place)
        yield Altered(place + 1, [line], place + 1)


def cuts(place: int) -> Iterator[Altered]:
    """Of the lines from here on, and of all but a part of this one."""
    yield Altered(place, [], len(WHOLE))
    line = WHOLE[place]
    lengths = (
        range(1, len(line)) if place % LETTERS_EVERY == 0 else {1 + place % (len(line) - 1), len(line) - 1}
    )
    for length in lengths:
        yield Altered(place, [line[:length]], len(WHOLE))


def flips(place: int) -> Iterator[Altered]:
    """Of one bit of one letter."""
    line = WHOLE[place]
    bits = (
        range(8 * len(line))
        if place % LETTERS_EVERY == 0
        else {(place * 31 + n * 977) % (8 * len(line)) for n in range(8)}
    )
    for bit in bits:
        changed = bytearray(line)
        changed[bit // 8] ^= 1 << bit % 8
        yield written(place, bytes(changed))


KINDS: dict[str, Callable[[int], Iterator[Altered]]] = {
    "edit": edits,
    "edit with its hash": with_its_hash,
    "said in another way": other_ways,
    "removal": removals,
    "swap": swaps,
    "insertion": insertions,
    "cut": cuts,
    "flip": flips,
}


def test_the_log_as_it_is_is_proved(states: list[State]) -> None:
    assert (first_finds(WHOLE), second_finds(WHOLE)) == (False, False)
    for place in {*range(0, len(WHOLE), max(1, len(WHOLE) // 20)), len(WHOLE)}:
        nothing = Altered(place, [], place)
        for finds in (first_finds, second_finds):
            assert not finds(WHOLE[nothing.after :], states[place])


def unfound(kind: str, places: Iterable[int], states: Sequence[State]) -> tuple[int, list[Altered]]:
    """How many alterations of a kind there are at these places, and which of them not both verifiers find."""
    tried, left = 0, []
    for altered in chain.from_iterable(map(KINDS[kind], places)):
        tried += 1
        if not altered.found(states):
            left.append(altered)
    return tried, left


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", KINDS)
def test_every_alteration_is_found_by_both(states: list[State], kind: str) -> None:
    tried, left = unfound(kind, range(len(WHOLE)), states)
    print(f"{kind}: {tried:,} alterations at {len(WHOLE):,} places, {len(left)} not found")
    assert left == []


@pytest.mark.fuzz
def test_the_whole_log_comes_to_the_same() -> None:
    kinds = list(KINDS.values())
    places = sorted({*range(0, len(WHOLE), WHOLE_EVERY), len(WHOLE) - 1})
    for number, place in enumerate(places):
        alterations = list(kinds[number % len(kinds)](place))
        assert both_find(alterations[number % len(alterations)].whole), (place, number)
    print(f"whole logs: {len(places)}")


@pytest.mark.fuzz
def test_a_verifier_that_believes_the_hashes_is_found(
    states: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(self: Verification, chain: bytes, sequence: int, hashed: bytes, stored: bytes) -> None:
        so_far = self._chains.setdefault(chain, _Chain(Head(), "", False))
        so_far.count, so_far.hash, so_far.noted = sequence, stored, Head(sequence, stored) == HEAD

    monkeypatch.setattr(Verification, "follow", follow)
    assert not Altered(len(WHOLE), [], len(WHOLE)).found(states)
    assert unfound("edit", [len(WHOLE) // 2], states)[1] != []


@pytest.mark.parametrize("name", COLUMNS)
def test_another_type_with_the_same_text_is_no_record(states: list[State], name: str) -> None:
    place = RECORDS - 3
    record = json.loads(WHOLE[place])
    value = record[name]
    others: list[object] = (
        [str(value), float(value), [value]] if isinstance(value, int) else [[value], {"a": value}, None]
    )
    if value == 1:
        others.append(True)
    if isinstance(value, str) and value.isdigit():
        others.append(int(value))
    for other in others:
        assert written(place, compact({**record, name: other})).found(states), other
    del record[name]
    assert written(place, compact(record)).found(states)


def test_what_is_no_json_is_no_record(states: list[State]) -> None:
    deep = b"[" * 100_000
    for content in (
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b'"a"\n',
        deep,
        WHOLE[3].replace(b":1,", b":1e999,", 1),
        WHOLE[3].decode().encode("utf-16"),
    ):
        assert written(3, content).found(states), content[:20]
        assert both_find(written(3, content).whole), content[:20]


def forgeries() -> Iterator[tuple[str, Lines]]:
    """Logs in which every hash is right, as whoever runs the server can write them."""
    records = [made(number) for number in range(1, len(WHOLE) + 1)]
    for place in (0, len(records) // 2, len(records) - 1):
        changed = [*records]
        changed[place] = msgspec.structs.replace(records[place], principal="somebody else")
        yield "an edit", log_of(changed)[0]
        left = [*records[:place], *records[place + 1 :]]
        yield (
            "a removal",
            log_of([msgspec.structs.replace(one, sequence=n + 1) for n, one in enumerate(left)])[0],
        )
    yield "another chain", log_of([msgspec.structs.replace(one, chain="other") for one in records])[0]
    yield "nothing", []


def test_a_log_that_was_written_anew_is_found() -> None:
    for what, lines in forgeries():
        assert both_find(lines), what


def test_what_came_later_and_records_of_other_chains_are_no_alteration() -> None:
    records = [made(number) for number in range(1, len(WHOLE) + 4)]
    lines, _ = log_of(records)
    assert lines[: len(WHOLE)] == WHOLE
    assert (first_finds(lines), second_finds(lines)) == (False, False)
    others, _ = log_of([msgspec.structs.replace(made(number), chain="other") for number in (1, 2)])
    assert (first_finds([*others, *WHOLE]), second_finds([*others, *WHOLE])) == (False, False)
    # But what is there must be a chain.
    assert both_find([*WHOLE, others[1]])


# --- the second verifier by itself


def test_ed25519_is_that_of_the_library() -> None:
    for number in range(5):
        text = f"text {number}".encode()
        signer = Signer("a", bytes([number]) * 32)
        signature = signer._key.sign(text)
        assert SECOND.signed(signer.public.raw, signature, text)
        assert not SECOND.signed(signer.public.raw, signature, text + b"x")
        for place in (0, 31, 32, 63):
            changed = bytearray(signature)
            changed[place] ^= 1
            assert not SECOND.signed(signer.public.raw, bytes(changed), text)
        # S + L is refused, as RFC 8032 has it: else one signature could be made another.
        scalar = int.from_bytes(signature[32:], "little") + SECOND.L
        assert not SECOND.signed(signer.public.raw, signature[:32] + scalar.to_bytes(32, "little"), text)
        assert not SECOND.signed(signer.public.raw, signature[:63], text)


def test_it_reads_what_the_first_writes_and_refuses_the_rest() -> None:
    checkpoint = Checkpoint(CHAIN, HEAD, 1_767_323_045)
    note = SIGNER.sign(checkpoint.text)
    name, key_id, raw = SECOND.read_key(str(SIGNER.public))
    assert SECOND.read_checkpoint(note, name, key_id, raw) == (CHAIN, HEAD.count, HEAD.hash)
    for place in range(len(note)):
        with pytest.raises(ValueError, match=r"."):
            SECOND.read_checkpoint(note[:place], name, key_id, raw)
    for bad in (note.replace(f"\n{HEAD.count}\n", "\n1\n", 1), note + "x", SIGNER.sign("text\n")):
        with pytest.raises(ValueError, match=r"."):
            SECOND.read_checkpoint(bad, name, key_id, raw)
    other = Signer(origin(CHAIN), bytes(32)).public
    with pytest.raises(ValueError, match="not signed by this key"):
        SECOND.read_checkpoint(note, other.name, other.id, other.raw)
    for bad in ("", "a+b+c", str(SIGNER.public)[:-4], str(SIGNER.public).replace("keystead", "k")):
        with pytest.raises(ValueError, match=r"."):
            SECOND.read_key(bad)


def test_it_has_the_same_columns() -> None:
    assert SECOND.COLUMNS == COLUMNS
    assert hashed(columns(made(1))).startswith(b"1:1")
