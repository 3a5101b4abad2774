from keystead.access.callers import Caller, CallerType


def test_a_caller_has_no_access_key_unless_it_signed() -> None:
    caller = Caller(account="1", type=CallerType.SERVICE, principal="keystead")
    assert (caller.access_key_id, caller.session, caller.type.value) == ("", "", "service")
