import os

import pytest

from keystead.errors import WrongSetting
from keystead.server.data.store_choice import Host, StoreChoice, choose

BASE = "postgresql://keystead@db.example.com/keystead"


def refused(text: str) -> str:
    """The message and hint of what is no store; neither has anything of it that could be a secret."""
    with pytest.raises(WrongSetting) as caught:
        choose(text)
    told = f"{caught.value.message}; {caught.value.hint}"
    assert "canary" not in told
    return told


def words(choice: StoreChoice, password: str = "", roots: str = "/roots.pem") -> str:
    return choice.conninfo(password, roots)


def test_all_parts_of_one() -> None:
    found = choose(
        "postgres://ke%40y@db1.example.com,db2.example.com:6432,[2001:db8::1]:7,10.0.0.1/k%2Fs?connect_timeout=5"
    )
    assert found.user == "ke@y"
    assert found.database == "k/s"
    assert found.hosts == (
        Host("db1.example.com", 5432), Host("db2.example.com", 6432), Host("2001:db8::1", 7), Host("10.0.0.1", 5432),
    )  # fmt: skip
    assert found.shown == "db1.example.com,db2.example.com:6432,2001:db8::1:7,10.0.0.1/k/s"
    assert found.text == (
        "postgresql://ke%40y@db1.example.com,db2.example.com:6432,[2001:db8::1]:7,10.0.0.1/k%2Fs?connect_timeout=5"
    )
    assert choose(found.text) == found


def test_the_least_of_one() -> None:
    found = choose("postgresql://db/keystead")
    assert (found.user, found.options, found.text) == ("", (), "postgresql://db/keystead")
    assert "user" not in words(found)


def test_a_unix_socket_is_a_folder() -> None:
    found = choose("postgresql://%2Fvar%2Frun%2Fpostgresql:5433/keystead")
    assert found.hosts == (Host("/var/run/postgresql", 5433),)
    assert found.shown == "/var/run/postgresql:5433/keystead"
    assert found.text == "postgresql://%2Fvar%2Frun%2Fpostgresql:5433/keystead"
    assert choose(found.text) == found
    assert "comma" in refused("postgresql://%2Fvar%2Crun/keystead")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True), ("%2Frun%2Fpg", True),
        ("localhost.example.com", False), ("10.0.0.1", False), ("[2001:db8::1]", False), ("db", False),
        ("127.0.0.1,db", False), ("127.0.0.1,localhost", True),
    ],
)  # fmt: skip
def test_tls_verifies_the_database_unless_nothing_goes_over_a_network(host: str, local: bool) -> None:
    found = choose(f"postgresql://{host}/keystead")
    assert found.local is local
    assert found.sslmode == ("prefer" if local else "verify-full")
    assert found.needs_system_roots is not local
    assert ("sslrootcert='/roots.pem'" in words(found)) is not local
    assert found.warning == ""


@pytest.mark.parametrize(
    ("mode", "warning"),
    [
        ("disable", "may be sent in clear"), ("allow", "may be sent in clear"), ("prefer", "may be sent in clear"),
        ("require", "may go to another host"), ("verify-full", ""),
    ],
)  # fmt: skip
def test_a_weaker_mode_is_a_warning_where_there_is_a_network(mode: str, warning: str) -> None:
    found = choose(f"{BASE}?sslmode={mode}")
    assert f"sslmode='{mode}'" in words(found)
    assert (warning in found.warning) if warning else found.warning == ""
    assert choose(f"postgresql://localhost/keystead?sslmode={mode}").warning == ""


def test_a_ca_of_its_own() -> None:
    found = choose(f"{BASE}?sslrootcert=ca.pem")
    assert f"sslrootcert='{os.getcwd()}/ca.pem'" in words(found)
    assert (found.sslmode, found.warning) == ("verify-full", "")
    found = choose(f"{BASE}?sslmode=verify-ca&sslrootcert=/ca.pem")
    assert "another host" in found.warning
    assert "verify-ca" in refused(f"{BASE}?sslmode=verify-ca")
    assert "verify-ca" in refused(f"{BASE}?sslmode=verify-ca&sslrootcert=system")
    found = choose(f"{BASE}?sslrootcert=system")
    assert found.options == (("sslrootcert", "system"),)
    assert "sslrootcert='/roots.pem'" in words(found)
    found = choose("postgresql://localhost/keystead?sslmode=verify-full")
    assert "sslrootcert='/roots.pem'" in words(found)
    found = choose(f"{BASE}?sslmode=require&sslrootcert=/ca.pem")  # libpq then verifies, too
    assert not found.needs_system_roots


def test_a_certificate_of_the_servers_own() -> None:
    found = choose(f"{BASE}?sslcert=~/k.pem&sslkey=/k.key")
    assert f"sslcert='{os.path.expanduser('~')}/k.pem' sslkey='/k.key'" in words(found)
    assert "there is sslcert, and no sslkey" in refused(f"{BASE}?sslcert=/k.pem")
    assert "there is sslkey, and no sslcert" in refused(f"{BASE}?sslkey=/k.pem")
    for name in ("sslrootcert=/c", "sslcert=/c&sslkey=/c"):
        assert "exclude each other" in refused(f"{BASE}?sslmode=disable&{name}")


def test_what_libpq_is_given() -> None:
    assert words(choose(f"{BASE}?target_session_attrs=primary"), password="a'b\\c d") == (
        r"host='db.example.com' port='5432' dbname='keystead' user='keystead' password='a\'b\\c d' gssencmode='disable' "
        "target_session_attrs='primary' sslmode='verify-full' sslrootcert='/roots.pem'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:canary@host/db", "postgresql://user:@host/db", "postgresql://:canary@host/db",
        "postgresql://user:can/ary@host/db", f"{BASE}?password=canary", f"{BASE}?passfile=/canary",
    ],
)  # fmt: skip
def test_a_password_in_it(text: str) -> None:
    told = refused(text)
    assert told.startswith("store has a password in it, and settings have none; ")
    assert "store-password-file" in told
    assert "change this one" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("db.example.com", "begin with postgresql://"),
        ("mysql://canary@host/db", "begin with postgresql://"),
        ("POSTGRESQL://host/db", "begin with postgresql://"),
        ("postgresql:/host/db", "begin with postgresql://"),
        ("postgresql://host", "names no database"),
        ("postgresql://host/", "names no database"),
        ("postgresql://host/?sslmode=require", "names no database"),
        ("postgresql:///keystead", "a host without a name; a unix socket is named by its folder"),
        ("postgresql://host,/keystead", "a host without a name"),
        ("postgresql://@host/keystead", "an @ without a user before it"),
        ("postgresql://canary@user@host/keystead", "an @ twice"),
        ("postgresql://host/a/b", "in the name of the database"),
        ("postgresql://host/a#canary", "it is written %23"),
        ("postgresql://host:/a", "a port that is no number"),
        ("postgresql://host:0/a", "a port that is no number"),
        ("postgresql://host:65536/a", "a port that is no number"),
        ("postgresql://host:canary/a", "a port that is no number"),
        ("postgresql://host:¹/a", "a port that is no number"),
        ("postgresql://[::1]5432/a", "a port that is no number"),
        ("postgresql://[::1/a", "in brackets that is no IPv6 address"),
        ("postgresql://[canary]/a", "in brackets that is no IPv6 address"),
        ("postgresql://2001:db8::1/a", "an IPv6 address without brackets"),
        ("postgresql://can ary/a", "neither a name nor an address"),
        ("postgresql://-canary/a", "neither a name nor an address"),
        (f"postgresql://{'a' * 64}/a", "neither a name nor an address"),
        ("postgresql://ho%zzst/a", "a % that begins no escape, in a host"),
        ("postgresql://us%2er%/a", "a % that begins no escape"),
        ("postgresql://host/can%00ary", "what is no text, in the database"),
        ("postgresql://us%ffer@host/a", "what is no text, in the user"),
        (f"{BASE}?", "an option that there is not"),
        (f"{BASE}?canary=1", "an option that there is not; there are sslmode, sslrootcert"),
        (f"{BASE}?ssl_mode=require", "did you mean sslmode?"),
        (f"{BASE}?host=other", "an option that there is not"),
        (f"{BASE}?options=-c", "an option that there is not"),
        (f"{BASE}?sslmode=require&sslmode=require", "says twice what sslmode is"),
        (f"{BASE}?sslmode=", "says nothing of what sslmode is"),
        (f"{BASE}?sslmode", "says nothing of what sslmode is"),
        (f"{BASE}?sslmode=verify_full", "did you mean verify-full?"),
        (f"{BASE}?sslmode=canary", "sslmode in store must be disable, allow"),
        (f"{BASE}?target_session_attrs=any", "must be read-write or primary; a server has to write"),
        (f"{BASE}?target_session_attrs=readwrite", "did you mean read-write?"),
        (f"{BASE}?connect_timeout=1", "connect_timeout in store must be a whole number, 2 to 60"),
        (f"{BASE}?connect_timeout=61", "a whole number, 2 to 60"),
        (f"{BASE}?connect_timeout=canary", "a whole number, 2 to 60"),
    ],
)
def test_bad_spellings(text: str, told: str) -> None:
    assert told in refused(text)


@pytest.mark.parametrize(
    "host", ["a" * 63, "a.b-c.d", "a_b", "1.2.3.4", "xn--bcher-kva.example", "db.example.com."]
)
@pytest.mark.parametrize("port", ["", ":1", ":65535", ":05432"])
def test_good_hosts(host: str, port: str) -> None:
    (found,) = choose(f"postgresql://{host}{port}/a").hosts
    assert (found.name, found.port) == (host, int(port[1:] or 5432))


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("connect_timeout=2", "2"),
        ("connect_timeout=60", "60"),
        ("connect_timeout=07", "7"),
        ("target_session_attrs=read-write", "read-write"),
    ],
)
def test_good_options(option: str, given: str) -> None:
    ((name, value),) = choose(f"{BASE}?{option}").options
    assert (name, value) == (option.partition("=")[0], given)
