import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.crypto import backup_file, root_key
from keystead.crypto.backup_file import FORMAT, MAGIC, MANIFEST_BYTES, NewerFormat, NoBackup
from keystead.crypto.envelope import CHUNK_BYTES
from keystead.crypto.primitives.unopenable import Unopenable
from keystead.entropy import SeededEntropy

ROOT = root_key.ephemeral(SeededEntropy(b"root"))
MANIFEST = b'{"made": "now"}'


def content(size: int) -> bytes:
    return SeededEntropy(b"content").take(size)


def sealed(plaintext: bytes, manifest: bytes = MANIFEST, seed: bytes = b"one") -> bytes:
    return b"".join(backup_file.seal(iter([plaintext]), manifest, ROOT, SeededEntropy(seed)))


def opened(file: bytes, root: root_key.RootKey = ROOT) -> tuple[bytes, bytes]:
    source = io.BytesIO(file)
    head = backup_file.read_head(source)
    assert file[: head.size] == file[: source.tell()]
    rest: Iterator[bytes] = iter(lambda: source.read(7000), b"")
    return head.manifest, b"".join(backup_file.unseal(rest, head, root))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 7])
def test_what_was_sealed_opens(size: int) -> None:
    assert opened(sealed(content(size))) == (MANIFEST, content(size))


def test_every_byte_counts() -> None:
    """Each single change of a file of some chunks, its head included, and each cut is noticed."""
    file = sealed(content(300))
    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] ^= 1
        with pytest.raises((Unopenable, NoBackup, NewerFormat)):
            opened(bytes(changed))
        with pytest.raises((Unopenable, NoBackup)):
            opened(file[:at])
    with pytest.raises(Unopenable):
        opened(file + b"\0")


@given(st.data())
def test_no_region_of_a_long_one_can_be_changed_moved_or_left_out(data: st.DataObject) -> None:
    file = sealed(content(3 * CHUNK_BYTES))
    first = len(file) - 3 * (CHUNK_BYTES + 16)
    chunks = [file[at : at + CHUNK_BYTES + 16] for at in range(first, len(file), CHUNK_BYTES + 16)]
    order = data.draw(st.lists(st.integers(0, 2), max_size=4).filter(lambda one: one != [0, 1, 2]))
    with pytest.raises(Unopenable):
        opened(file[:first] + b"".join(chunks[one] for one in order))


def test_head_and_content_of_two_backups_do_not_go_together() -> None:
    one, two = sealed(content(10)), sealed(content(10), seed=b"two")
    start = len(MAGIC) + 5 + len(MANIFEST)
    other = sealed(content(10), b'{"made": "old"}', b"two")
    for mixed in (one[:start] + other[start:], other[:start] + one[start:]):
        with pytest.raises(Unopenable):
            opened(mixed)
    assert opened(one[:start] + two[start:])[1] == content(10)  # the same manifest, and all else of the other


def test_another_root_key_does_not_open_it() -> None:
    with pytest.raises(Unopenable):
        opened(sealed(b"x"), root_key.ephemeral(SeededEntropy(b"other")))


def test_a_data_key_that_is_no_base64() -> None:
    file = sealed(b"x")
    source = io.BytesIO(file)
    head = backup_file.read_head(source)
    odd = head._replace(header=head.header._replace(data_key="?"))
    with pytest.raises(Unopenable):
        next(backup_file.unseal(iter([source.read()]), odd, ROOT))


def test_other_formats_and_lengths() -> None:
    file = sealed(b"x")
    with pytest.raises(NewerFormat):
        opened(file[:8] + bytes([FORMAT + 1]) + file[9:])
    with pytest.raises(Unopenable):
        opened(file[:8] + bytes([FORMAT - 1]) + file[9:])
    with pytest.raises(NoBackup):
        opened(b"\x89KSF\r\n\x1a\n" + file[8:])
    with pytest.raises(Unopenable):
        opened(file[:9] + (MANIFEST_BYTES + 1).to_bytes(4, "big") + file[13:])
    longest = bytes(MANIFEST_BYTES)
    assert opened(sealed(b"x", longest))[0] == longest
    with pytest.raises(ValueError, match="too long"):
        sealed(b"x", longest + b"x")
