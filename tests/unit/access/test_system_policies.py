from keystead.access.documents import MAXIMUM_CHARACTERS
from keystead.access.system_policies import SYSTEM_POLICIES

# The cases of tests/vectors/policies.jsonl say what each allows.


def test_they_are_those_of_the_vendor_by_their_names() -> None:
    assert list(SYSTEM_POLICIES) == [
        "AdministratorAccess",
        "AliyunRAMFullAccess",
        "AliyunRAMReadOnlyAccess",
        "AliyunKMSFullAccess",
        "AliyunKMSReadOnlyAccess",
        "AliyunKMSCryptoAdminAccess",
        "AliyunKMSCryptoUserAccess",
        "AliyunKMSSecretAdminAccess",
        "AliyunKMSSecretUserAccess",
    ]


def test_they_are_documents_like_any_other_and_read_once() -> None:
    for name, policy in SYSTEM_POLICIES.items():
        assert (policy.name, len(policy.document)) == (name, 1)
        assert len(policy.text) <= MAXIMUM_CHARACTERS
        assert policy.description.endswith(".")
        assert policy.document is policy.document
