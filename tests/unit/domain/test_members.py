from keystead.domain.members import Member, MemberState


def test_the_chain_of_a_server_is_that_of_its_last_run() -> None:
    member = Member(server="a", name="host", epoch=7, started=1, seen=2, state=MemberState.LOST)
    assert member.chain == "a.7"
    assert member.state == "lost"
