import pytest

from keystead.domain.identities import GROUP_NAME, NAME, POLICY_NAME, PolicyVersion
from keystead.forms import Form


@pytest.mark.parametrize(("form", "longest"), [(NAME, 64), (GROUP_NAME, 64), (POLICY_NAME, 128)])
def test_names_have_a_length_and_no_line_break(form: Form, longest: int) -> None:
    assert form.fits("a")
    assert form.fits("a" * longest)
    for wrong in ("", "a" * (longest + 1), "a\n", "a b", "a/b", "*", "ä"):
        assert not form.fits(wrong)


def test_which_marks_each_kind_of_name_may_have() -> None:
    marks = ".-_@"
    assert [mark for mark in marks if NAME.fits(f"a{mark}")] == [".", "-", "_"]
    assert [mark for mark in marks if GROUP_NAME.fits(f"a{mark}")] == [".", "-"]
    assert [mark for mark in marks if POLICY_NAME.fits(f"a{mark}")] == ["-"]


def test_versions_are_called_by_their_number() -> None:
    made = PolicyVersion(account="1", policy="p", number=12, document="", created=0)
    assert made.version_id == "v12"
