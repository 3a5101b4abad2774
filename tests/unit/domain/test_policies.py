from keystead.access.documents import key_document
from keystead.domain.policies import of_everybody


def test_the_default_policy_is_one_of_the_account_as_a_whole() -> None:
    (statement,) = key_document(of_everybody("1000000000000001"))
    assert statement.principals is not None
    assert statement.principals.has_account("1000000000000001")
    assert not statement.principals.has_account("1000000000000002")
    assert statement.about("kms:Decrypt", "acs:kms:cn-hangzhou:1000000000000001:key/k")
