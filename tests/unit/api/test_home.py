"""The server that calls come to."""

from keystead.api.home import Home, ServerFacts


def test_a_server_that_nobody_describes_says_nothing() -> None:
    home = Home("cn-hangzhou", "1")
    assert home.describe() == ServerFacts()
    assert home.describe().settings == ()
