from keystead.crypto import root_key
from keystead.domain.accounts import RootKeyFacts
from keystead.domain.audit import Kind
from tests.harness import Service


def test_a_rotation_wraps_all_anew_and_notes_the_new_one() -> None:
    service = Service()
    world = service.world
    before = service.store.keyring.all()
    with service.batch() as store:
        store.keyring.put_secret(world.vault.make_own_key("own", 1))
    own = len(service.store.keyring.secrets())
    new = root_key.ephemeral(service.entropy)
    facts = RootKeyFacts(fingerprint=new.fingerprint, provider="file:/new", parameters="", since=5)
    world.vault.offer(new, facts)
    status, told = service.operate("RotateRootKey", Provider="file:/new")
    assert status == 200
    assert (told["Fingerprint"], told["Before"]) == (new.fingerprint, before[0].root_fingerprint)
    assert (told["WrappingKeys"], told["OwnKeys"]) == (len(before), own)
    keyring = service.store.keyring
    assert keyring.root() == facts
    assert {row.root_fingerprint for row in keyring.all()} == {new.fingerprint}
    assert {row.root_fingerprint for row in keyring.secrets()} == {new.fingerprint}
    record = service.records[-1]
    assert (record.kind, record.action, record.code) == (Kind.OPERATOR_COMMAND, "RotateRootKey", "")
    assert "file:/new" in str(record.parameters)


def test_there_is_none_without_a_root_key_at_hand_or_with_another_one() -> None:
    service = Service()
    before = service.store.keyring.all()
    assert service.operate("RotateRootKey", Provider="file")[1]["Code"] == "UnsupportedOperation"
    new = root_key.ephemeral(service.entropy)
    facts = RootKeyFacts(fingerprint=new.fingerprint, provider="file:/new", parameters="", since=5)
    service.world.vault.offer(new, facts)
    assert service.operate("RotateRootKey", Provider="file")[1]["Code"] == "UnsupportedOperation"
    assert service.store.keyring.all() == before
    assert service.store.keyring.root() is None
    assert service.call("RotateRootKey", Provider="file:/new")[0] == 404  # not over the network


def test_shares_that_are_given_out_are_recorded() -> None:
    service = Service()
    status, _ = service.operate("NoteRootKeyShares", Fingerprint="0" * 16, Needed="3", Shares="5")
    assert status == 200
    record = service.records[-1]
    assert (record.kind, record.action) == (Kind.OPERATOR_COMMAND, "NoteRootKeyShares")
    assert '"Shares":"5"' in str(record.parameters).replace(" ", "")
    for wrong in ("1", "17"):
        assert service.operate("NoteRootKeyShares", Fingerprint="0" * 16, Needed="2", Shares=wrong)[0] == 400
