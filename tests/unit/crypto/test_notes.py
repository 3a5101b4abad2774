import base64
import hashlib

import pytest

from keystead.crypto.notes import NoteRefused, PublicKey, Signer, opened, public_key

SEED = bytes(range(32))
TEXT = "one line\n\nand another, 密\n"
SIGNER = Signer("example.com/log", SEED)
NOTE = SIGNER.sign(TEXT)


def refused(note: bytes | str, key: PublicKey = SIGNER.public) -> str:
    with pytest.raises(NoteRefused) as caught:
        opened(note if isinstance(note, bytes) else note.encode(), key)
    return str(caught.value)


def test_the_key_of_rfc_8032_is_written_as_verifiers_are_given_it() -> None:
    # RFC 8032, 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    raw = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    key = Signer("a", seed).public
    assert key.raw == raw
    number = hashlib.sha256(b"a\n\x01" + raw).digest()[:4]
    assert str(key) == "+".join(["a", number.hex(), base64.b64encode(b"\x01" + raw).decode()])
    assert public_key(str(key)) == key


def test_a_note_of_the_specification_opens() -> None:
    """That of c2sp.org/tlog-checkpoint has no public key beside it; the form is the same."""
    text, lines = NOTE.rsplit("\n\n", 1)
    dash, name, value = lines.rstrip("\n").split(" ")
    assert (text + "\n", dash, name) == (TEXT, "\u2014", "example.com/log")
    assert base64.b64decode(value)[:4] == SIGNER.public.id
    assert opened(NOTE.encode(), SIGNER.public) == TEXT


def test_others_may_sign_it_as_well() -> None:
    other = Signer("other.example", bytes(32))
    line = other.sign(TEXT).rsplit("\n\n", 1)[1]
    for both in (NOTE + line, NOTE.replace("\n\n\u2014", f"\n\n{line}\u2014", 1)):
        assert opened(both.encode(), SIGNER.public) == opened(both.encode(), other.public) == TEXT


def test_what_was_altered_cut_off_or_signed_by_others_is_told_as_such() -> None:
    assert "the signature is not of this text" in refused(NOTE.replace("one", "two"))
    for place in range(len(NOTE.encode())):
        assert refused(NOTE.encode()[:place])
    assert "is not a whole signed note" in refused("")
    assert "is not a whole signed note" in refused(b"\xff" + NOTE.encode())
    assert "is not a whole signed note" in refused(NOTE.rstrip("\n"))
    assert "is not a whole signed note" in refused("x" * 200_000 + NOTE)
    assert "is no signature" in refused(NOTE + "more\n")
    assert "was signed by example.com/log, and this is the key of b" in refused(
        NOTE, Signer("b", SEED).public
    )
    other = Signer("example.com/log", bytes(32)).public
    assert "was signed with another key of example.com/log" in refused(NOTE, other)


def test_every_changed_letter_is_found() -> None:
    raw = NOTE.encode()
    for place in range(len(raw)):
        for bit in (1, 32):
            changed = bytearray(raw)
            changed[place] ^= bit
            try:
                assert opened(bytes(changed), SIGNER.public) != TEXT
            except NoteRefused:
                continue
            raise AssertionError(place)


def test_a_signature_of_another_length_is_none() -> None:
    value = base64.b64encode(SIGNER.public.id + bytes(63)).decode()
    assert "the signature is not of this text" in refused(f"{TEXT}\n\u2014 example.com/log {value}\n")
    assert "was signed with another key" in refused(f"{TEXT}\n\u2014 example.com/log A\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not the public key"),
        ("a+b", "is not the public key"),
        (str(SIGNER.public) + " ", "is not the public key"),
        (str(SIGNER.public)[:-4], "was altered"),
        ("b" + str(SIGNER.public), "was altered"),
        (str(SIGNER.public).replace("+AQ", "+Ag"), "was altered"),
        (str(SIGNER.public).rpartition("+")[0] + "+A", "was altered"),
    ],
)
def test_what_is_no_public_key_is_refused(text: str, told: str) -> None:
    with pytest.raises(NoteRefused, match=told):
        public_key(text)


def test_a_signer_shows_nothing_of_its_key() -> None:
    assert repr(SIGNER) == "<Signer example.com/log>"
