"""What happens to notes in a year, and when KMS is not well."""

from datetime import UTC, datetime

import pytest
from notes import ClockIsWrong, KeyIsGone, Notes

# Sealed in another run, years ago.
SEALED = (
    "MTExMTExMTEtYWFhYS00MTExLTgxMTEtMDAwMDAwMDAwMDAxAQHyNOQzTpn4rdidq3OfEe31MCpxb1YstTX0u80NHtz78ud2JgkV"
    "zD4JvUoGOe9oj4c1hRM2aakyystvmqW7JwX4OOHnjLxDWG/Tj+n15uHGaHM+I2E+033Ly5KWTo26Y3cn8u9x9YRFvm+46/RgoIBD"
)


@pytest.fixture
def notes(kms_client, kms_key):
    return Notes(kms_client, kms_key)


def test_a_note_opens_as_what_it_was(kms, notes):
    assert notes.open(notes.seal("meet at nine")) == "meet at nine"
    assert kms.calls == ["Encrypt", "Decrypt"]
    assert kms.calls[0].parameters["KeyId"] == notes.key


# --- time


def test_a_rotation_a_year_later(kms, kms_client):
    notes = Notes(kms_client, kms.new_key(EnableAutomaticRotation=True, RotationInterval="365d"))
    sealed, version = notes.seal("from last year"), notes.version()
    kms.clock.advance(days=364)
    assert notes.version() == version
    kms.clock.advance(days=2)
    assert notes.version() != version
    assert notes.open(sealed) == "from last year"
    assert notes.open(notes.seal("from this year")) == "from this year"


def test_a_deletion_after_seven_days(kms, notes):
    sealed = notes.seal("not for long")
    kms.call("ScheduleKeyDeletion", KeyId=notes.key, PendingWindowInDays=7)
    kms.clock.advance(days=6, hours=23)
    kms.call("CancelKeyDeletion", KeyId=notes.key)
    assert notes.open(sealed) == "not for long"
    kms.call("ScheduleKeyDeletion", KeyId=notes.key, PendingWindowInDays=7)
    kms.clock.advance(days=7, seconds=1)
    with pytest.raises(KeyIsGone):
        notes.seal("too late")
    with pytest.raises(Exception, match="CiphertextBlob"):
        notes.open(sealed)


def test_the_turn_of_a_year(kms, notes):
    kms.clock.travel_to(datetime(2040, 1, 1, tzinfo=UTC))
    assert notes.open(notes.seal("happy new year")) == "happy new year"
    assert kms.call("DescribeKey", KeyId=kms.new_key())["KeyMetadata"]["CreationDate"].startswith(
        "2040-01-01"
    )


# --- faults


@pytest.mark.parametrize("status", [429, 503])
def test_it_tries_again_when_kms_is_busy(kms, notes, status):
    kms.fail("Encrypt", status=status, times=2)
    assert notes.open(notes.seal("patience")) == "patience"
    assert kms.calls == ["Encrypt", "Encrypt", "Encrypt", "Decrypt"]
    assert [call.status for call in kms.calls] == [status, status, 200, 200]


def test_it_gives_up_after_three_tries(kms, notes):
    kms.fail("Encrypt", code="Throttling.User", times=None)
    with pytest.raises(Exception, match=r"Throttling\.User"):
        notes.seal("too much")
    assert kms.calls.count("Encrypt") == 3


def test_it_does_not_wait_for_an_answer_that_is_late(kms, kms_key):
    notes = Notes(kms.client(read_timeout=300), kms_key)
    kms.slow("Encrypt", seconds=5)
    assert notes.open(notes.seal("now")) == "now"


@pytest.mark.parametrize("performed", [False, True])
def test_a_connection_that_is_cut(kms, notes, performed):
    kms.cut("Encrypt", performed=performed)
    assert notes.open(notes.seal("again")) == "again"
    assert kms.calls == ["Encrypt", "Encrypt", "Decrypt"]


def test_a_clock_that_is_wrong_is_not_tried_again(kms, notes):
    kms.clients_clock_is_off(minutes=20)
    with pytest.raises(ClockIsWrong):
        notes.seal("when is now?")
    assert kms.calls == ["Encrypt"]


# --- keys that are always the same


def test_a_note_of_an_earlier_run_opens(kms_client):
    assert Notes(kms_client, "alias/notes").open(SEALED) == "kept in the repository"


def test_a_reset_leaves_the_seed_alone(kms, kms_key):
    kms.reset()
    assert kms.call("ListKeys")["TotalCount"] == 1
