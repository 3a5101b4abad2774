from keystead.domain.keys.tags import valid_key, valid_value


def test_a_tag_key_is_1_to_128_characters() -> None:
    for length, fine in ((0, False), (1, True), (128, True), (129, False)):
        assert valid_key("k" * length) is fine


def test_a_tag_value_is_0_to_128_characters() -> None:
    for length, fine in ((0, True), (1, True), (128, True), (129, False)):
        assert valid_value("v" * length) is fine


def test_reserved_prefixes_and_other_characters_are_refused() -> None:
    for key in ("aliyun-x", "acs:x", "a b", "密", "a\n"):
        assert not valid_key(key)
    assert valid_key("a/b\\c_d-e.f+g=h:i@j")
