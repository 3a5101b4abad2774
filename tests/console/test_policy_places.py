"""Where in a policy's text something is wrong."""

import pytest

from keystead.console.pages.policy_places import line_of

TEXT = """{
  "Version": "1",
  "Statement": [
    {"Effect": "Allow"},
    {
      "Effect": "Deny",
      "Condition": {
        "IpAddress":
          {"acs:SourceIp": "x"}
      }
    }
  ]
}
"""


@pytest.mark.parametrize(
    ("complaint", "line"),
    [
        ("Version: must be 1", 2),
        ("Statement: must be a list", 3),
        ("Statement[0]: has no Action", 4),
        ("Statement[0].Effect: must be Allow or Deny", 4),
        ("Statement[1]: has no Action", 5),
        ("Statement[1].Effect: must be Allow or Deny", 6),
        ("Statement[1].Condition.IpAddress: must be an object", 9),
        ("Statement[1].Condition.IpAddress.acs: no such key", 9),
        ("Statement[1].Action: is not there", 5),
        ("Statement[7].Action: is not there", 3),
        ("Version[0].x: is no list", 2),
        ("Nothing: is not there", 1),
        ("it is not JSON at line 3, column 1: Expecting value", 3),
        ("it is not JSON at line 999, column 1: Expecting value", 13),
        ("a key's policy has at most 32,768 bytes", 0),
        ("", 0),
    ],
)
def test_the_line_of_a_complaint(complaint: str, line: int) -> None:
    assert line_of(TEXT, complaint) == line


@pytest.mark.parametrize("text", ["", "{", '{"Version"', "[1, 2]", '"text"', '{"Version": ' + "[" * 100_000])
def test_a_text_that_the_complaint_is_not_about_has_no_place(text: str) -> None:
    assert line_of(text, "Version: must be 1") in (0, 1)
    assert line_of(text, "it is not JSON at line 9, column 1: x") in (0, 1)
