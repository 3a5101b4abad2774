from keystead.domain.keys.aliases import SERVICES, is_alias, service_of, valid_name, well_formed


def test_a_name_is_1_to_255_characters_after_the_prefix() -> None:
    for length, fine in ((0, False), (1, True), (255, True), (256, False)):
        assert valid_name("alias/" + "a" * length) is fine


def test_reserved_names_are_well_formed_and_not_given() -> None:
    assert well_formed("alias/acs/mse")
    assert not valid_name("alias/acs/mse")


def test_only_the_prefix_makes_an_alias() -> None:
    assert is_alias("alias/x")
    assert not is_alias("Alias/x")


def test_a_service_is_named_by_its_code_alone() -> None:
    assert service_of("alias/acs/mse") == "mse"
    for name in (
        "alias/acs/none",
        "alias/acs/",
        "alias/acs",
        "alias/acs/mse/x",
        "alias/mse",
        "mse",
        "alias/acs/MSE",
    ):
        assert service_of(name) == ""
    assert all(well_formed(f"alias/acs/{code}") for code in SERVICES)
