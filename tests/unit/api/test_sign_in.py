"""The door itself; tests/operations/test_sessions.py comes through it as people do."""

import pytest

from keystead.access.callers import CallerType
from keystead.api.bind import Bound
from keystead.api.operation import CATALOGUE
from keystead.api.slow import Attempt, Slow, Work
from keystead.domain.products import CONSOLE, KMS
from keystead.domain.sessions import hashed
from keystead.domain.sign_in import KnownAddress, LoginProfile
from keystead.errors import ConfirmationRequired, MissingParameter, SessionExpired
from tests.signing_in import PASSWORD, People


def test_a_password_is_tried_in_the_pool_of_proofs() -> None:
    service = People()
    prepared = service.pipeline.prepare(service.received("CreateSession", UserName="a", Password=PASSWORD))
    with pytest.raises(Slow) as raised:
        service.pipeline._door.arrive(prepared.asked, prepared.bound, Attempt(), 0)
    assert raised.value.work is Work.PROVING


def test_of_nobody_as_much_is_looked_up_as_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    service = People()
    service.person("alice")
    door, looked_up = service.pipeline._door, []
    every = service.store.identities.all

    def note(kind: type, account: str) -> object:
        looked_up.append(kind)
        return every(kind, account)

    monkeypatch.setattr(service.store.identities, "all", note)
    found = []
    for name in ("alice", "nobody"):
        looked_up.clear()
        prepared = service.pipeline.prepare(
            service.received("CreateSession", UserName=name, Password="wrong")
        )
        with pytest.raises(Slow):
            door.arrive(prepared.asked, prepared.bound, Attempt(), 0)
        found.append([one for one in looked_up if one in (KnownAddress, LoginProfile)])
    assert found[0] == found[1] == [LoginProfile, KnownAddress]


def test_who_signs_in_is_known_by_the_request_or_refused_for_it() -> None:
    service = People()
    door, asked = service.pipeline._door, service.received("CreateSession")
    bound = service.pipeline.prepare(asked).bound
    with pytest.raises(MissingParameter):
        door.arrive(asked, bound, Attempt(), 0)
    with pytest.raises(SessionExpired):
        door.arrive(asked, Bound(action="Nonsense", region=""), Attempt(), 0)


def test_a_session_is_whose_it_is_and_bears_its_public_id() -> None:
    service = People()
    token = service.owner()
    prepared = service.pipeline.prepare(service.received("ListKeys", token, KMS))
    now = int(service.clock.now())
    arrival = service.pipeline._door.arrive(prepared.asked, prepared.bound, Attempt(), now)
    kept = service.store.sessions.get(hashed(token))
    assert kept is not None
    assert arrival.session == kept
    assert (arrival.caller.type, arrival.caller.principal) == (CallerType.ROOT, service.account)
    assert arrival.caller.access_key_id == kept.session_id
    assert arrival.refusal is None


def test_a_proof_from_the_future_is_none() -> None:
    # The clock was put back meanwhile: for all that is known the proof is old.
    service = People()
    session = service.store.sessions.get(hashed(service.owner()))
    operation = CATALOGUE.find(KMS.version, "SetKeyPolicy")
    assert session is not None
    assert operation is not None
    door = service.pipeline._door
    door.confirmed(session, operation, session.confirmed)
    door.confirmed(None, operation, 0)
    for now in (session.confirmed - 1, session.confirmed_until):
        with pytest.raises(ConfirmationRequired):
            door.confirmed(session, operation, now)


def test_the_operations_that_begin_a_session_are_known_by_their_proof() -> None:
    proving = {one.action for one in CATALOGUE if one.proof is not None}
    assert proving == {"CreateSession", "RedeemSignInLink"}
    assert all(one.product is CONSOLE for one in CATALOGUE if one.proof is not None)
