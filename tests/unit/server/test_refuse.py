import json

from keystead.errors import CODES
from keystead.server.network.endpoint import refuse


def test_what_is_not_even_a_request_is_answered_in_the_same_shape_and_leaves_nothing_behind() -> None:
    before = {code: list(kinds) for code, kinds in CODES.items()}
    for number in range(3):
        response = refuse(431, "InvalidRequest", f"Too many {{headers}}: {number}.")
        members = json.loads(response.body)
        assert (response.status, members["HttpStatus"], members["Code"]) == (431, 431, "InvalidRequest")
        assert members["Message"] == f"Too many {{headers}}: {number}."
    assert before == CODES
