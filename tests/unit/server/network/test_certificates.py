"""The server's own CAs over the years, with a clock of our own; what clients make of them with Python's TLS client."""

import os
import socket
import ssl
from pathlib import Path

import msgspec
import pytest

from keystead.clock import FixedClock, SystemClock
from keystead.crypto.authority import LIFETIME, Authority, describe, first_expiry, make_authority
from keystead.domain.authorities import LOCAL, KeptAuthority, Names, bundle, succeed
from keystead.domain.keys.key import DAY, Wrapped
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError
from keystead.server.data.directory import DataDirectory
from keystead.server.data.world import open_in_memory
from keystead.server.network.certificates import (
    LEAF_LIFETIME,
    Files,
    Issued,
    machine_name,
    names_for,
    own_authorities,
)
from keystead.server.network.listener import Pem, load_certificate, server_context
from tests.handshakes import handshake

NOW = int(SystemClock().now())
MORE = LOCAL | Names.of(["kms.example", "198.51.100.7"])


class World:
    """A first CA for the local names, and certificates by it."""

    def __init__(self, names: Names = LOCAL, machine: Names | None = None, begins: float = NOW) -> None:
        self.clock = FixedClock(begins)
        self.opened, _ = open_in_memory(self.clock, SystemEntropy())
        self.issued = Issued(
            (self.make(LOCAL),), self.opened.vault, names, machine or Names(), self.clock, Path("/data")
        )

    def make(self, names: Names) -> KeptAuthority:
        return make_authority(self.opened.vault, names, int(self.clock.now()), SystemEntropy())

    def rotate(self, names: Names, overlap: int = 30 * DAY) -> None:
        self.issued.kept = succeed(self.issued.kept, self.make(names), int(self.clock.now()), overlap)

    def new(self) -> Pem:
        pem = self.issued.renewed()
        assert pem is not None
        return pem

    @property
    def trusted(self) -> str:
        return bundle(self.issued.kept, self.clock.now())


def connects(pem: Pem, trusted: str, asked: str) -> bool:
    """Whether Python's client, which trusts these CAs, takes a server with this certificate for what it asked for."""
    server, client = server_context(), ssl.create_default_context(cadata=trusted)
    load_certificate(server, pem)
    try:
        handshake(server, client, asked)
    except ssl.SSLCertVerificationError:
        return False
    return True


# --- names


def test_names_come_from_the_settings() -> None:
    assert names_for("localhost", ()) == names_for("::1", ()) == names_for("0.0.0.0", ()) == LOCAL
    assert names_for("::", ("KMS.example",)) == LOCAL | Names.of(["kms.example"])
    assert names_for("198.51.100.7", ("kms.example",)) == Names.of(["198.51.100.7", "kms.example"])
    assert names_for("fe80::1%eth0", ()) == Names.of(["fe80::1"])
    with pytest.raises(OperatorError, match="'not a name' is neither"):
        names_for("localhost", ("not a name",))


@pytest.mark.parametrize(("name", "taken"), [("box", ("box",)), ("my_box", ()), ("", ()), ("1.2.3", ())])
def test_the_machines_name_is_taken_where_it_can_be(
    name: str, taken: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert machine_name("0.0.0.0").all == taken
    assert machine_name("::").all == taken
    assert machine_name("localhost").all == ()


# --- the CA of a data directory


@pytest.mark.parametrize(("first_start", "level"), [(True, "INFO"), (False, "WARNING")])
def test_a_first_ca_is_for_the_local_names_too_and_is_kept(
    first_start: bool, level: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "keystead")
    opened, _ = open_in_memory(FixedClock(NOW), SystemEntropy())
    opened.first_start = first_start
    directory = DataDirectory(tmp_path)

    def own(names: Names) -> tuple[KeptAuthority, ...]:
        return own_authorities(directory, opened, names, NOW, SystemEntropy())

    (made,) = own(Names.of(["198.51.100.7"]))
    assert describe(made.certificate.encode()).names == LOCAL | Names.of(["198.51.100.7"])
    assert own(MORE) == (made,)
    assert [one.levelname for one in caplog.records] == [level]


@pytest.mark.parametrize("trace", ["ca.pem", "authority.json"])
def test_a_ca_that_is_gone_is_not_replaced(trace: str, tmp_path: Path) -> None:
    opened, _ = open_in_memory(FixedClock(NOW), SystemEntropy())
    (tmp_path / trace).write_text("damaged")
    with pytest.raises(OperatorError, match="gone or damaged") as told:
        own_authorities(DataDirectory(tmp_path), opened, LOCAL, NOW, SystemEntropy())
    assert "keystead ca rotate" in told.value.hint
    opened.store.begin()
    assert opened.store.authorities.all() == ()


# --- certificates


def test_one_is_issued_anew_in_time_and_outlives_no_ca() -> None:
    world = World()
    first = world.new()
    assert world.issued.renewed() is None
    assert first_expiry(first.certificate) == NOW + LEAF_LIFETIME
    world.clock.advance(LEAF_LIFETIME * 2 // 3 - 1)
    assert world.issued.renewed() is None
    world.clock.advance(1)
    assert world.new().certificate != first.certificate
    world.clock.time = NOW + LIFETIME - DAY
    assert first_expiry(world.new().certificate) == NOW + LIFETIME
    assert world.issued.renewed() is None  # however near the end of its CA, a new one is new for an hour
    world.clock.advance(3599)
    assert world.issued.renewed() is None
    world.clock.advance(DAY * 2 // 3)
    assert first_expiry(world.new().certificate) == NOW + LIFETIME


def test_it_is_for_all_names_of_its_ca_and_what_else_that_may_issue_for() -> None:
    """After a restore on another machine, with other settings, clients find the names that they know."""
    world = World(Names.of(["localhost"]), Names.of(["box", "box.localhost"]))
    assert describe(world.new().certificate).names == LOCAL | Names.of(["box.localhost"])


def test_names_that_need_another_ca_are_refused_with_the_way_to_it() -> None:
    with pytest.raises(OperatorError, match=r"may not issue for kms.example, 198.51.100.7, only for") as told:
        World(MORE).new()
    assert told.value.hint.startswith(
        "keystead ca rotate --data /data --name kms.example --name 198.51.100.7 "
    )
    world = World()
    world.new()
    with pytest.raises(OperatorError, match="may not issue"):
        world.issued.want(MORE)
    assert world.issued.renewed() is None
    world.issued.want(Names.of(["a.localhost"]))
    assert "a.localhost" in describe(world.new().certificate).names.hosts


def test_while_one_takes_over_clients_that_know_either_connect() -> None:
    world = World(begins=NOW - 30 * DAY)  # clients look at the machine's own clock
    before = world.trusted
    world.new()
    world.rotate(MORE)
    world.issued.want(MORE)
    during, pem = world.trusted, world.new()
    newest = world.issued.kept[-1].certificate
    for name in LOCAL.all:
        assert connects(pem, before, name)
        assert connects(pem, during, name)
    assert connects(pem, during, "kms.example")
    assert connects(pem, newest, "KMS.example")
    # Who does not know the newer one can't use its names; and a new address is asked for without a name.
    assert not connects(pem, before, "kms.example")
    assert not connects(pem, during, "198.51.100.7")
    world.clock.advance(30 * DAY)
    pem = world.new()
    assert pem.named == ()
    assert world.trusted == newest
    for name in MORE.all:
        assert connects(pem, during, name)
        assert connects(pem, newest, name)
    assert not connects(pem, before, "localhost")


def test_a_rotation_within_an_overlap_serves_the_clients_of_all_three() -> None:
    world = World()
    bundles = [world.trusted]
    world.rotate(MORE)
    bundles.append(world.trusted)
    world.rotate(MORE | Names.of(["third.example"]))
    bundles.append(world.trusted)
    pem = world.new()
    for place, name in enumerate(("localhost", "kms.example", "third.example")):
        assert [connects(pem, trusted, name) for trusted in bundles] == [known >= place for known in range(3)]
    # A rotation without new names has nothing to choose by.
    world = World()
    world.rotate(LOCAL)
    assert world.new().named == ()


def test_a_ca_that_has_expired_or_does_not_open_issues_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    (kept,) = world.issued.kept
    world.clock.time = NOW + LIFETIME
    with pytest.raises(OperatorError, match="expired on 20") as told:
        world.issued.renewed()
    assert "keystead ca rotate" in told.value.hint
    other = world.make(LOCAL)
    for damaged in (Wrapped(1, b"damaged"), other.key):
        world = World()
        world.issued.kept = (msgspec.structs.replace(world.issued.kept[0], key=damaged),)
        with pytest.raises(OperatorError, match="private key does not open") as told:
            world.issued.renewed()
        assert "keystead ca rotate" in told.value.hint
        # Its successor does not need it.
        world.rotate(MORE)
        pem = world.new()
        assert pem.named == ()
        assert connects(pem, world.issued.kept[-1].certificate, "kms.example")
    assert kept.certificate not in caplog.text


def test_a_ca_that_expires_soon_is_told(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.new()
    assert caplog.records == []
    world.clock.time = NOW + LIFETIME - 2 * LEAF_LIFETIME + 1
    world.new()
    assert [one.getMessage() for one in caplog.records] == ["the CA expires soon: keystead ca rotate"]


# --- the operator's own files


def written(folder: Path) -> tuple[Files, Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    replace(certificate, key)
    return Files(str(certificate), str(key)), certificate, key


def replace(certificate: Path, key: Path) -> Pem:
    made = Authority.create("own", dns=["localhost"], addresses=[], now=NOW, lifetime=DAY)
    leaf = made.issue(["localhost"], [], NOW, DAY)
    certificate.write_bytes(leaf.certificate_pem)
    key.touch(0o600)
    key.write_bytes(leaf.key_pem)
    return Pem(leaf.certificate_pem, leaf.key_pem)


def test_replaced_files_are_found_however_they_are_replaced(tmp_path: Path) -> None:
    files, certificate, key = written(tmp_path)
    assert files.renewed() is not None
    assert files.renewed() is None
    pem = replace(certificate, key)
    assert files.renewed() == pem
    # As certbot and Kubernetes do it: links to another folder, whose files may be older.
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    pems = [replace(tmp_path / name / "cert.pem", tmp_path / name / "key.pem") for name in ("one", "other")]
    for file in (certificate, key):
        for name in ("one", "other"):
            os.utime(tmp_path / name / file.name, (NOW - DAY, NOW - DAY))
    for name, pem in zip(("one", "other"), pems, strict=True):
        for file in (certificate, key):
            file.unlink()
            file.symlink_to(tmp_path / name / file.name)
        assert files.renewed() == pem
        assert files.renewed() is None


def test_a_pair_that_is_not_whole_yet_is_refused_until_it_is(tmp_path: Path) -> None:
    files, certificate, key = written(tmp_path)
    files.renewed()
    old_key = key.read_bytes()
    pem = replace(certificate, key)
    for half in (old_key, b"", pem.key[:100]):
        key.write_bytes(half)
        for _ in range(2):
            with pytest.raises(OperatorError, match="cannot use the certificate"):
                files.renewed()
    key.write_bytes(pem.key)
    for damaged in (b"", pem.certificate[:100]):
        certificate.write_bytes(damaged)
        with pytest.raises(OperatorError, match="cannot use the certificate"):
            files.renewed()
    certificate.unlink()
    with pytest.raises(OperatorError, match="cannot read"):
        files.renewed()
    certificate.write_bytes(pem.certificate)
    key.chmod(0o604)
    with pytest.raises(OperatorError, match="open to all users"):
        files.renewed()
    key.chmod(0o640)
    assert files.renewed() == pem
