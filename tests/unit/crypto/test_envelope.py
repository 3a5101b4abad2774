import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.crypto import envelope
from keystead.crypto.derivation import prefixed
from keystead.crypto.envelope import CHUNK_BYTES, Header
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.entropy import SeededEntropy

KEY = bytes(range(32))
SEALED_CHUNK = CHUNK_BYTES + 16
FROZEN = (
    "894b53460d0a1a0a0101000f00000004626c6f6200000003617070d15d8950de9ad4800cfb1a09b30bb3ee574ad342df"
    "bbd9d834058446dae16e8827d07655082c31ae53c3385916ea3b8752bd8196d3fac1435acbb68324c0094349ca940feb"
    "5e6541901ad442292bbf9b156915ad860518"
)
SIZES = [0, 1, 6145, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7]


def content(size: int) -> bytes:
    return SeededEntropy(b"content").take(size)


def sealed(plaintext: bytes, names: tuple[str, ...] = (), piece: int = 10_000) -> bytes:
    pieces = (plaintext[at : at + piece] for at in range(0, len(plaintext), piece))
    return b"".join(envelope.seal(pieces, KEY, "blob", names, SeededEntropy()))


def opened(file: bytes, key: bytes = KEY, piece: int = 7_000) -> bytes:
    source = io.BytesIO(file)
    header = envelope.read_header(source)
    return b"".join(envelope.unseal(iter(lambda: source.read(piece), b""), header, key))


def parts(file: bytes) -> tuple[Header, list[bytes]]:
    header = envelope.read_header(io.BytesIO(file))
    body = file[header.size :]
    return header, [body[at : at + SEALED_CHUNK] for at in range(0, len(body), SEALED_CHUNK)]


@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_back(size: int) -> None:
    file = sealed(content(size), ("app", "环境"))
    assert opened(file) == content(size)
    header, chunks = parts(file)
    assert (header.data_key, header.context_names) == ("blob", ("app", "环境"))
    assert len(chunks) == max(1, -(-size // CHUNK_BYTES))
    assert envelope.plaintext_size(header, len(file)) == size


def test_the_format_is_frozen() -> None:
    """What was sealed by this format's first release opens for ever."""
    file = bytes.fromhex(FROZEN)
    assert opened(file) == b"frozen\n"


def test_truncation_is_refused_at_every_boundary() -> None:
    file = sealed(content(3 * CHUNK_BYTES))
    header, chunks = parts(file)
    boundaries = [header.size + sum(map(len, chunks[:count])) for count in range(len(chunks))]
    for end in [*range(header.size), *boundaries, *(one - 1 for one in boundaries[1:]), len(file) - 1]:
        with pytest.raises(Unopenable):
            opened(file[:end])


def test_chunks_stay_where_they_were() -> None:
    file = sealed(content(3 * CHUNK_BYTES + 5))
    head = file[: parts(file)[0].size]
    a, b, c, d = parts(file)[1]
    other = parts(sealed(content(5)))[1]
    for wrong in (
        [b, a, c, d],
        [a, a, b, c, d],
        [a, b, d],
        [a, b, c],
        [a, b, c, d, d],
        [a, b, c, *other],
        [],
    ):
        with pytest.raises(Unopenable):
            opened(head + b"".join(wrong))


def test_an_empty_last_chunk_is_for_empty_files_only() -> None:
    """A writer that pads with an empty last chunk gives a second file for one content; none is accepted."""
    assert opened(sealed(b"")) == b""

    def padded(source: Iterator[bytes], length: int) -> Iterator[bytes]:
        yield from source
        yield b""

    original = envelope._chunks
    envelope._chunks = padded
    try:
        file = b"".join(envelope.seal(iter([content(CHUNK_BYTES)]), KEY, "blob", (), SeededEntropy()))
    finally:
        envelope._chunks = original
    with pytest.raises(Unopenable):
        opened(file)
    with pytest.raises(Unopenable):
        envelope.plaintext_size(parts(file)[0], len(file))


@given(st.data())
def test_no_changed_bit_is_accepted(data: st.DataObject) -> None:
    file = bytearray(sealed(content(100), ("app",)))
    bit = data.draw(st.integers(0, len(file) * 8 - 1))
    file[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unopenable):
        opened(bytes(file))


def test_the_key_must_be_the_file_s() -> None:
    with pytest.raises(Unopenable):
        opened(sealed(b"x"), key=bytes(32))


@pytest.mark.parametrize("raw", [b"", prefixed(b"\xff"), b"\0\0\0", b"\0\0\0\x05abcd"])
def test_a_header_without_sound_parts_is_refused(raw: bytes) -> None:
    fixed = envelope.MAGIC + b"\1\1" + len(raw).to_bytes(2, "big")
    with pytest.raises(Unopenable):
        envelope.read_header(io.BytesIO(fixed + raw + bytes(64)))


@pytest.mark.parametrize("at", [0, 8, 9])
def test_another_magic_format_or_suite_is_refused(at: int) -> None:
    file = bytearray(sealed(b"x"))
    file[at] = 2
    with pytest.raises(Unopenable):
        envelope.read_header(io.BytesIO(bytes(file)))


@pytest.mark.parametrize("size", [0, 15, 16 + SEALED_CHUNK])
def test_sizes_that_no_file_has(size: int) -> None:
    header, _ = parts(sealed(b"x"))
    with pytest.raises(Unopenable):
        envelope.plaintext_size(header, header.size + size)


def test_names_longer_than_a_header_are_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        sealed(b"", ("x" * 0xFFFF,))
