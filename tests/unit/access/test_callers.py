from keystead.access.callers import Caller, CallerType


def test_a_caller_has_no_access_key_unless_it_signed() -> None:
    caller = Caller(account="1", type=CallerType.SERVICE, principal="keystead")
    assert (caller.access_key_id, caller.session, caller.type.value) == ("", "", "service")


def test_a_caller_is_a_principal_of_policies() -> None:
    user = Caller(account="1", type=CallerType.RAM_USER, principal="27", session="alice")
    assert user.arn == "acs:ram::1:user/alice"
    for kind in (CallerType.ROOT, CallerType.OPERATOR, CallerType.SERVICE):
        assert Caller(account="1", type=kind, principal="x").arn == "acs:ram::1:root"
