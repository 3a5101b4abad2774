import pytest

from keystead.crypto.root_keys.token_address import TokenAddress
from keystead.errors import WrongSetting


def test_an_address_is_read_and_written() -> None:
    uri = (
        "pkcs11:token=My%20HSM;serial=0a1b;manufacturer=M%3BI;model=X;object=root;id=%01%ff;type=secret-key"
        "?module-path=/usr/lib/m.so&pin-source=file:/etc/pin"
    )
    found = TokenAddress.of(uri)
    assert found == TokenAddress(
        token="My HSM",
        serial="0a1b",
        manufacturer="M;I",
        model="X",
        object="root",
        id="01ff",
        module="/usr/lib/m.so",
        pin_source="file:/etc/pin",
    )
    assert TokenAddress.of(found.text) == found
    assert found.text == uri.replace(";type=secret-key", "").replace("pin-source=file:/", "pin-source=file:/")
    short = TokenAddress.of("pkcs11:serial=1;id=%20?module-path=/m.so&pin-source=/etc/pin")
    assert (short.object, short.id, short.pin_source) == ("", "20", "file:/etc/pin")
    asking = TokenAddress.of("pkcs11:token=t;object=o?module-path=/m.so")
    assert asking.pin_source == ""
    assert TokenAddress.of(asking.text) == asking
    assert TokenAddress.of(short.text) == short


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("token=t", "begin with pkcs11:"),
        ("pkcs11:token=t;object=o?module-path=/m.so&pin-value=1234", "has a PIN in it"),
        ("pkcs11:token=t;object=o;pin-value=1234?module-path=/m.so", "has a PIN in it"),
        ("pkcs11:token=t;object=o;slot-id=1?module-path=/m.so", "slot-id"),
        ("pkcs11:token=t;object=o;type=private?module-path=/m.so", "type secret-key"),
        ("pkcs11:token=t;object=o", "no module-path"),
        ("pkcs11:token=t?module-path=/m.so", "names no object"),
        ("pkcs11:object=o?module-path=/m.so", "names no token"),
        ("pkcs11:token=t;object=o?module-path=/m.so&pin-source=|cat%20/pin", "is not run"),
        ("pkcs11:token=t;token=u;object=o?module-path=/m.so", "twice"),
        ("pkcs11:token;object=o?module-path=/m.so", "NAME=VALUE"),
    ],
)
def test_what_is_no_address(uri: str, why: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        TokenAddress.of(uri)
    assert why in caught.value.message
    assert "1234" not in caught.value.message + caught.value.hint
    assert caught.value.hint
