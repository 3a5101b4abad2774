from keystead.domain.keys.uses import Use


def test_uses_add_up_to_the_later_one() -> None:
    assert Use(5, 2, 1).plus(Use(3)) == Use(3).plus(Use(5, 2, 1)) == Use(5, 3, 1)
