"""A root key on a token of SoftHSM2, and every way in which a token refuses."""

import builtins
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keystead.crypto.root_keys.token import open_token
from keystead.crypto.root_keys.token_address import TokenAddress
from keystead.crypto.sealing import Unopenable
from keystead.entropy import SystemEntropy
from keystead.errors import OperatorError, WrongSetting
from tests.tokens import PIN, Token

ENTROPY = SystemEntropy()


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    made = Token(tmp_path_factory.mktemp("token"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


@pytest.fixture(autouse=True)
def logged_out(token: Token) -> None:
    import pkcs11

    pkcs11.lib(token.module).reinitialize()


def opened(token: Token, key: str = "root", pin: str = PIN, *, make: bool = False) -> Any:
    return open_token(TokenAddress.of(token.address(key)), pin, ENTROPY, make=make)


def refusal(token: Token, key: str = "root", pin: str = PIN, *, make: bool = False) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        opened(token, key, pin, make=make)
    assert caught.value.hint
    assert pin not in caught.value.message + caught.value.hint
    return caught.value


def test_a_key_is_made_once_and_opens_what_it_wrapped(token: Token) -> None:
    first = opened(token, make=True)
    wrapped = first.wrap(b"facts", b"x")
    for again in (opened(token), opened(token, make=True)):
        assert again.fingerprint == first.fingerprint
        assert again.unwrap(b"facts", wrapped) == b"x"
        with pytest.raises(Unopenable):
            again.unwrap(b"other", wrapped)
    other = opened(token, "other", make=True)
    assert other.fingerprint != first.fingerprint
    with pytest.raises(Unopenable):
        other.unwrap(b"facts", wrapped)


def test_the_key_cannot_leave_the_token(token: Token) -> None:
    import pkcs11

    opened(token, "kept", make=True)
    with pkcs11.lib(token.module).get_token(token_label=token.label).open() as session:
        key = session.get_key(label="kept")
        for name in ("SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "PRIVATE", "SIGN"):
            assert key[getattr(pkcs11.Attribute, name)] is True, name
        for name in ("EXTRACTABLE", "WRAP", "DERIVE", "ENCRYPT"):
            assert key[getattr(pkcs11.Attribute, name)] is False, name
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]


def test_a_key_that_can_leave_is_refused(token: Token) -> None:
    import pkcs11

    with pkcs11.lib(token.module).get_token(token_label=token.label).open(user_pin=PIN, rw=True) as session:
        for label, sensitive, extractable in (("open", False, False), ("loose", True, True)):
            session.create_object(
                {
                    pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                    pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.GENERIC_SECRET,
                    pkcs11.Attribute.LABEL: label,
                    pkcs11.Attribute.TOKEN: True,
                    pkcs11.Attribute.SIGN: True,
                    pkcs11.Attribute.SENSITIVE: sensitive,
                    pkcs11.Attribute.EXTRACTABLE: extractable,
                    pkcs11.Attribute.VALUE: bytes(64),
                }
            )
    for label in ("open", "loose"):
        assert "can leave its token" in refusal(token, label).message


def test_a_missing_key_a_wrong_pin_and_a_missing_token_are_told(token: Token) -> None:
    assert refusal(token, "nowhere").message == "there is no key nowhere on the token keystead"
    wrong = refusal(token, pin="99999999")
    assert wrong.message == "the token keystead refuses the PIN"
    assert isinstance(wrong, WrongSetting)  # so that no service manager tries it again
    address = TokenAddress.of(token.address())
    for changes in ({"token": "other"}, {"serial": "00"}, {"manufacturer": "Nobody"}, {"model": "none"}):
        elsewhere = TokenAddress(
            **{name: getattr(address, name) for name in address.__struct_fields__} | changes
        )
        with pytest.raises(OperatorError, match="is not there"):
            open_token(elsewhere, PIN, ENTROPY)
    nothing = TokenAddress(token="t", object="o", module=str(Path(token.module).with_name("none.so")))
    with pytest.raises(OperatorError, match="does not work with"):
        open_token(nothing, PIN, ENTROPY)


def test_several_keys_or_tokens_of_one_name_are_not_guessed_between(token: Token) -> None:
    base = TokenAddress.of(token.address("twice"))
    fields = {name: getattr(base, name) for name in base.__struct_fields__}
    by_id = [TokenAddress(**fields | {"id": number}) for number in ("01", "02")]
    made = [open_token(address, PIN, ENTROPY, make=True) for address in by_id]
    assert made[0].fingerprint != made[1].fingerprint
    for address in (by_id[1], TokenAddress(**fields | {"id": "02", "object": ""})):
        assert open_token(address, PIN, ENTROPY).fingerprint == made[1].fingerprint
    assert "several keys of that name" in refusal(token, "twice").message
    import pkcs11

    token.initialize("twin")
    token.initialize("twin")
    pkcs11.lib(token.module).reinitialize()
    with pytest.raises(OperatorError, match="is not the only one of that name"):
        open_token(TokenAddress(**fields | {"token": "twin"}), PIN, ENTROPY)
    serials = {one.serial for one in pkcs11.lib(token.module).get_tokens(token_label="twin")}
    with pytest.raises(OperatorError, match="there is no key"):
        open_token(TokenAddress(**fields | {"token": "", "serial": serials.pop().decode()}), PIN, ENTROPY)


def test_a_token_that_is_unplugged(token: Token) -> None:
    import pkcs11

    opened(token, "away", make=True)
    away = token.tokens.with_name("away")
    shutil.move(token.tokens, away)
    token.tokens.mkdir()
    pkcs11.lib(token.module).reinitialize()
    try:
        assert "is not there" in refusal(token, "away").message
    finally:
        token.tokens.rmdir()
        shutil.move(away, token.tokens)
        pkcs11.lib(token.module).reinitialize()
    assert opened(token, "away")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("PinLocked", "has locked its PIN"),
        ("DeviceRemoved", "was taken away"),
        ("GeneralError", "does not work with"),
    ],
)
def test_what_softhsm_never_says(token: Token, name: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import pkcs11

    def refuse(module: str) -> None:
        raise getattr(pkcs11, name)

    monkeypatch.setattr(pkcs11, "lib", refuse)
    found = refusal(token)
    assert told in found.message
    assert isinstance(found, WrongSetting) == name.startswith("Pin")


def test_without_the_library(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "pkcs11":
            raise ImportError
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "needs the package python-pkcs11" in refusal(token).message
