import msgspec
import pytest

from keystead.crypto import root_key
from keystead.crypto.wrapping import Wrapping
from keystead.domain.accounts import RootKeyFacts
from keystead.entropy import SeededEntropy
from keystead.errors import OperatorError


def test_own_keys_are_loaded_by_name() -> None:
    entropy = SeededEntropy()
    root = root_key.ephemeral(entropy)
    first = Wrapping(root, entropy)
    rows = [first.make_own_key("one", 1), first.make_own_key("two", 2)]
    assert [row.root_fingerprint for row in rows] == [root.fingerprint] * 2
    assert len({row.blob for row in rows}) == 2
    second = Wrapping(root, entropy)
    assert second.root is root
    assert not second.has_own_key("one")
    second.load([], rows)
    assert second.has_own_key("one")
    assert second.has_own_key("two")
    assert not second.has_own_key("three")


def test_an_own_key_of_another_name_or_root_key_is_named() -> None:
    entropy = SeededEntropy()
    root = root_key.ephemeral(entropy)
    row = Wrapping(root, entropy).make_own_key("one", 1)
    with pytest.raises(OperatorError, match="the two key does not open"):
        Wrapping(root, entropy).load([], [msgspec.structs.replace(row, name="two")])
    with pytest.raises(OperatorError, match="this data was sealed under another root key"):
        Wrapping(root_key.ephemeral(entropy), entropy).load([], [row])


def test_all_is_wrapped_anew_by_the_root_key_that_was_offered() -> None:
    entropy = SeededEntropy()
    old, new = root_key.ephemeral(entropy), root_key.ephemeral(entropy)
    first = Wrapping(old, entropy)
    keys = [first.make_wrapping_key(1), first.make_wrapping_key(2)]
    secrets = [first.make_own_key("one", 3)]
    assert first.rewrap(keys, secrets) is None
    facts = RootKeyFacts(fingerprint=new.fingerprint, provider="file", parameters="", since=4)
    first.offer(new, facts)
    anew = first.rewrap(keys, secrets)
    assert anew is not None
    assert anew.facts == facts
    assert [(row.generation, row.created) for row in anew.wrapping_keys] == [(1, 1), (2, 2)]
    assert [(row.name, row.created) for row in anew.secrets] == [("one", 3)]
    Wrapping(new, entropy).load(anew.wrapping_keys, anew.secrets)
    with pytest.raises(OperatorError, match="under another root key"):
        Wrapping(old, entropy).load(anew.wrapping_keys)
    blobs = [row.blob for row in keys] + [row.blob for row in secrets]
    assert not {*blobs} & {*(row.blob for row in anew.wrapping_keys), *(row.blob for row in anew.secrets)}


def test_what_does_not_open_again_is_not_given() -> None:
    entropy = SeededEntropy()
    old = root_key.ephemeral(entropy)
    wrapping = Wrapping(old, entropy)
    keys = [wrapping.make_wrapping_key(1)]

    class Forgetful(root_key.SoftwareRootKey):
        def unwrap(self, associated: bytes, wrapped: bytes) -> bytes:
            return bytes(32)

    other = Forgetful(bytes(32), entropy)
    facts = RootKeyFacts(fingerprint=other.fingerprint, provider="file", parameters="", since=4)
    wrapping.offer(other, facts)
    with pytest.raises(OperatorError, match="does not give back what it wrapped"):
        wrapping.rewrap(keys, [])
    with pytest.raises(OperatorError, match="wrapping key 1 does not open"):
        wrapping.rewrap([msgspec.structs.replace(keys[0], blob=bytes(100))], [])


def test_a_canary_opens_under_its_own_generation_alone() -> None:
    entropy = SeededEntropy()
    wrapping = Wrapping(root_key.ephemeral(entropy), entropy)
    rows = [wrapping.make_wrapping_key(1), wrapping.make_wrapping_key(2)]
    assert wrapping.newest == 2
    first, second = wrapping.canary(1), wrapping.canary(2)
    assert wrapping.opens_canary(1, first)
    assert wrapping.opens_canary(2, second)
    assert not wrapping.opens_canary(2, first)
    assert not wrapping.opens_canary(1, first[:-1])
    assert not wrapping.opens_canary(3, first)
    wrapping.follow(rows[1:])
    assert not wrapping.opens_canary(1, first)
    assert wrapping.opens_canary(2, second)
    third = wrapping.new_wrapping_key(3, 3)
    assert wrapping.newest == 2
    wrapping.follow([*rows, third])
    assert wrapping.newest == 3
    assert wrapping.opens_canary(1, first)
