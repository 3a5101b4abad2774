"""The classic SDK: with a client that the test gives, and unmodified, with one that the program makes."""

import subprocess
import sys

import old_notes


def test_with_a_client_of_the_tests(kms, kms_key, kms_classic_client):
    sealed = old_notes.seal(kms_classic_client, kms_key, "as ever")
    assert old_notes.open_note(kms_classic_client, sealed) == "as ever"
    assert kms.calls == ["Encrypt", "Decrypt"]


def test_a_program_that_makes_its_own(kms_environment, kms_key):
    client = old_notes.client_of_this_machine()
    sealed = old_notes.seal(client, kms_key, "unchanged")
    assert old_notes.open_note(client, sealed) == "unchanged"
    assert kms_environment.calls == ["Encrypt", "Decrypt"]


def test_a_program_that_it_starts(kms_environment, kms_key):
    program = (
        "import sys, old_notes; print(old_notes.seal(old_notes.client_of_this_machine(), *sys.argv[1:]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, kms_key, "elsewhere"]
    sealed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert old_notes.open_note(old_notes.client_of_this_machine(), sealed) == "elsewhere"
    assert kms_environment.calls == ["Encrypt", "Decrypt"]
