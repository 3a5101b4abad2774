import pytest

from keystead.networks import network, within


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("192.0.2.9/24", "192.0.2.0/24"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::ffff:192.0.2.1/120", "192.0.2.0/24"),
        ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ("::ffff:0.0.0.0/95", "::fffe:0:0/95"),
        ("::/0", "::/0"),
    ],
)
def test_an_address_is_a_network_and_one_of_ipv4_is_it_in_ipv6_too(text: str, read: str) -> None:
    assert str(network(text)) == read


@pytest.mark.parametrize(
    "text",
    ["", "x", "192.0.2", "192.0.2.256", "192.0.02.1", "192.0.2.0/33", "fe80::1%eth0", "::/129", "192.0.2.*"],
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|a zone"):
        network(text)


def test_strictly_a_network_is_named_by_its_first_address() -> None:
    assert str(network("10.0.0.0/8", strict=True)) == "10.0.0.0/8"
    with pytest.raises(ValueError, match="host bits"):
        network("10.0.0.1/8", strict=True)


@pytest.mark.parametrize(
    ("one", "other", "held"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.0.0.0/8", "10.0.0.0/8", True),
        ("10.0.0.0/7", "10.0.0.0/8", False),
        ("11.0.0.0", "10.0.0.0/8", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "::ffff:10.0.0.0/104", True),
        ("10.1.2.3", "::/0", False),
        ("::1", "0.0.0.0/0", False),
    ],
)
def test_within(one: str, other: str, held: bool) -> None:
    assert within(network(one), network(other)) is held
