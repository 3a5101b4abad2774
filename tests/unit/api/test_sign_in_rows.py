from keystead.api.sign_in_rows import device_of, end_sessions, forget_addresses, password_policy, profile_of
from keystead.domain.identities import User
from keystead.domain.sessions import How, Session
from keystead.domain.sign_in import KnownAddress, PasswordPolicy
from tests.harness import Service

OTHER = "1000000000000002"


def session(service: Service, name: str, user_id: str = "") -> Session:
    made = Session(
        digest=name.encode(), session_id=f"console-{name}", account=service.account, user_id=user_id, created=0, used=0,
        confirmed=0, how=How.LINK, source="",
    )  # fmt: skip
    with service.batch() as store:
        store.sessions.add(made)
    return made


def left(service: Service) -> set[str]:
    return {one.session_id for one in service.store.sessions.of(service.account)}


def test_there_is_nothing_of_who_has_nothing() -> None:
    service = Service()
    assert profile_of(service.store, service.account, "2") is None
    assert device_of(service.store, service.account, "2") is None
    assert password_policy(service.store, service.account) == PasswordPolicy(account=service.account)


def test_sessions_end_of_one_user_of_all_or_of_all_but_one() -> None:
    service = Service()
    kept, _, _ = session(service, "a", "2"), session(service, "b", "2"), session(service, "c")
    with service.batch() as store:
        end_sessions(store, OTHER)
        assert len(left(service)) == 3
        end_sessions(store, service.account, "2", but=kept)
        assert left(service) == {"console-a", "console-c"}
        end_sessions(store, service.account, "2")
        assert left(service) == {"console-c"}
        end_sessions(store, service.account)
        assert left(service) == set()


def test_the_addresses_of_one_user_are_forgotten() -> None:
    service = Service()
    with service.batch() as store:
        for user in "23":
            store.identities.add(User(account=service.account, user_id=user, name=user, created=0, updated=0))
            store.identities.add(KnownAddress(account=service.account, user_id=user, address="a", seen=0))
    with service.batch() as store:
        forget_addresses(store, service.account, "2")
    assert [one.user_id for one in service.store.identities.all(KnownAddress, service.account)] == ["3"]
