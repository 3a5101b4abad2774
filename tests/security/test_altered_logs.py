"""Every single edit, removal, swap, insertion and cut of an exported log is found against a checkpoint, by both verifiers."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from keystead.cli.commands.audit import exported
from keystead.crypto.notes import Signer
from keystead.domain.audit import COLUMNS, Head, Kind, Record, columns, hashed, link
from keystead.domain.checkpoints import Checkpoint, origin
from keystead.errors import OperatorError
from keystead.store.verification import Verification
from tests.unit.domain.test_audit import RECORD

ROOT = Path(__file__).parents[2]
EVIDENCE = os.environ.get("TEST_EVIDENCE") == "1"
RECORDS = 10_000 if EVIDENCE else 90
# Each place takes both verifiers the whole log: all 10,000 places of all kinds are three hours. EVERY=1 takes them.
EVERY = int(os.environ.get("EVERY", "25")) if EVIDENCE else 1
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
        session="密" if number % 7 == 0 else "",
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


def first_finds(lines: Sequence[bytes]) -> bool:
    """Whether our own verifier finds anything."""
    verification = Verification(expect=HEAD)
    try:
        for row in exported.records(lines, "log"):
            verification.follow(*row)
    except OperatorError:
        return True
    noted = [one.noted for one in verification.verdicts if one.chain == CHAIN]
    return any(one.bad for one in verification.verdicts) or noted != [True]


def second_finds(lines: Sequence[bytes]) -> bool:
    try:
        SECOND.verify(lines, CHAIN, HEAD.count, HEAD.hash)
    except ValueError:
        return True
    return False


def edited(place: int, name: str) -> Lines:
    """One column of one record, changed."""
    record = json.loads(WHOLE[place])
    value = record.get(name, 0)
    record[name] = value + 1 if isinstance(value, int) else f"{value}x"
    return [*WHOLE[:place], json.dumps(record).encode() + b"\n", *WHOLE[place + 1 :]]


def rehashed(place: int) -> Lines:
    """One record changed, with a hash that fits it."""
    record = msgspec.structs.replace(made(place + 1), action="ListKeys")
    before = json.loads(WHOLE[place - 1])["hash"] if place else "00" * 32
    line = exported.line(columns(record), link(bytes.fromhex(before), record)).encode()
    return [*WHOLE[:place], line, *WHOLE[place + 1 :]]


def swapped(place: int) -> Lines:
    other = (place + 1) % len(WHOLE)
    lines = list(WHOLE)
    lines[place], lines[other] = lines[other], lines[place]
    return lines


ALTERATIONS: dict[str, Callable[[int], Lines]] = {
    "edit": lambda place: edited(place, COLUMNS[place % len(COLUMNS)]),
    "edit with its hash": rehashed,
    "removal": lambda place: [*WHOLE[:place], *WHOLE[place + 1 :]],
    "swap": swapped,
    "insertion": lambda place: [*WHOLE[:place], WHOLE[(place * 7) % len(WHOLE)], *WHOLE[place:]],
    "cut": lambda place: WHOLE[:place],
    "cut within a line": lambda place: [*WHOLE[:place], WHOLE[place][: 1 + place % (len(WHOLE[place]) - 1)]],
}


def test_the_log_as_it_is_is_proved() -> None:
    assert (first_finds(WHOLE), second_finds(WHOLE)) == (False, False)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", ALTERATIONS)
def test_every_alteration_is_found_by_both(kind: str) -> None:
    alter = ALTERATIONS[kind]
    unfound = [
        place
        for place in sorted({*range(0, len(WHOLE), EVERY), len(WHOLE) - 1})
        for lines in [alter(place)]
        if not (first_finds(lines) and second_finds(lines))
    ]
    assert unfound == []


@pytest.mark.parametrize("name", [*COLUMNS, "hash"])
def test_every_column_is_proved(name: str) -> None:
    for place in (0, 1, len(WHOLE) - 1):
        lines = edited(place, name)
        assert (first_finds(lines), second_finds(lines)) == (True, True), place


@pytest.mark.parametrize("name", COLUMNS)
def test_another_type_with_the_same_text_is_no_record(name: str) -> None:
    place = RECORDS - 3
    record = json.loads(WHOLE[place])
    value = record[name]
    others: list[object] = (
        [str(value), float(value), [value]] if isinstance(value, int) else [[value], {"a": value}, None]
    )
    if isinstance(value, str) and value.isdigit():
        others.append(int(value))
    for other in others:
        lines = [*WHOLE[:place], json.dumps({**record, name: other}).encode() + b"\n", *WHOLE[place + 1 :]]
        assert (first_finds(lines), second_finds(lines)) == (True, True), other
    del record[name]
    lines = [*WHOLE[:place], json.dumps(record).encode() + b"\n", *WHOLE[place + 1 :]]
    assert (first_finds(lines), second_finds(lines)) == (True, True)


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
        assert (first_finds(lines), second_finds(lines)) == (True, True), what


def test_what_came_later_and_records_of_other_chains_are_no_alteration() -> None:
    records = [made(number) for number in range(1, len(WHOLE) + 4)]
    lines, _ = log_of(records)
    assert lines[: len(WHOLE)] == WHOLE
    assert (first_finds(lines), second_finds(lines)) == (False, False)
    others, _ = log_of([msgspec.structs.replace(made(number), chain="other") for number in (1, 2)])
    assert (first_finds([*others, *WHOLE]), second_finds([*others, *WHOLE])) == (False, False)
    # But what is there must be a chain.
    assert (first_finds([*WHOLE, others[1]]), second_finds([*WHOLE, others[1]])) == (True, True)


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
