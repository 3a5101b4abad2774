from urllib.parse import quote, quote_plus, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from keystead.api.http.message import HttpRequest
from keystead.api.http.parse import MAXIMUM, Parameters, parse
from keystead.errors import ActionNotFound, BadRequest

FORM = {"content-type": "application/x-www-form-urlencoded"}


def parameters(target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Parameters:
    return parse(
        HttpRequest(method="POST", target=target, headers=FORM if headers is None else headers, body=body)
    )


@given(some.dictionaries(some.text(), some.text(), max_size=5), some.sampled_from([quote, quote_plus]))
def test_what_is_encoded_is_decoded(pairs: dict[str, str], encode: object) -> None:
    assert callable(encode)
    text = "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs.items())
    assert parameters(f"/?{text}").merged == pairs


ESCAPES = some.integers(0, 127).flatmap(lambda byte: some.sampled_from([f"%{byte:02X}", f"%{byte:02x}"]))
RAW = some.characters(max_codepoint=127, exclude_characters="%&+")


@given(
    some.lists(RAW | ESCAPES | some.sampled_from(["=", "%C3%A9", "=\r\n", " \n", "%3D", "__"])).map("".join)
)
@example("".join(map(chr, set(range(128)) - set(b"%&+"))))
@example("".join(f"%{byte:02X}%{byte:02x}" for byte in range(128)))
def test_every_byte_is_decoded_as_the_library_does(value: str) -> None:
    # A form's body may have any byte; a request target, which the HTTP parser has looked at, fewer.
    assert parameters("/", b"v=" + value.encode()).merged == {"v": unquote_to_bytes(value).decode()}


def test_names_are_split_over_query_and_form() -> None:
    found = parameters(
        "/?a=1&b=", b"c=%C3%A9+x", {"content-type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}
    )
    assert (found.query, found.form) == ({"a": "1", "b": ""}, {"c": "é x"})
    assert found.merged == {"a": "1", "b": "", "c": "é x"}
    assert "é" not in repr(found)


@pytest.mark.parametrize(
    ("target", "body"), [("/?a=1&a=1", b""), ("/", b"a=1&a=2"), ("/?a=1", b"a=1"), ("/?a=1&%61=2", b"")]
)
def test_the_same_name_twice_is_refused_by_name(target: str, body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parameters(target, body)
    assert '"a"' in caught.value.text


def test_an_odd_name_is_not_repeated() -> None:
    with pytest.raises(BadRequest) as caught:
        parameters("/?a%20b=1&a%20b=2")
    assert "a b" not in caught.value.text


@pytest.mark.parametrize("text", ["a=%", "a=%2", "a=%zz", "%=1", "a=%C3", "a=%FF%FE", "%C3=1", "a=%ED%A0%80"])
def test_bad_encodings_are_refused_without_their_value(text: str) -> None:
    for target, body in ((f"/?{text}", b""), ("/", text.encode())):
        with pytest.raises(BadRequest) as caught:
            parameters(target, body)
        assert text not in caught.value.text


def test_a_body_must_be_an_ascii_form() -> None:
    for body, headers in ((b"{}", {"content-type": "application/json"}), (b"a=b", {}), (b"a=\xff", FORM)):
        with pytest.raises(BadRequest):
            parameters("/", body, headers)


@pytest.mark.parametrize("target", ["/x?a=1", "/kms", "//"])
def test_there_is_one_path(target: str) -> None:
    with pytest.raises(ActionNotFound):
        parameters(target)


def test_the_number_of_parameters_is_limited() -> None:
    assert len(parameters("/?" + "&".join(f"n{n}=1" for n in range(MAXIMUM))).merged) == MAXIMUM
    with pytest.raises(BadRequest):
        parameters("/?" + "&".join(f"n{n}=1" for n in range(MAXIMUM + 1)))


def test_empty_pieces_mean_nothing() -> None:
    assert parameters("/?&a=1&&").merged == {"a": "1"}
    assert parameters("/").merged == {}
