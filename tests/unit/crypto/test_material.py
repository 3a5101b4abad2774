import pickle

import pytest

from keystead.crypto.mac import Secret
from keystead.crypto.material import Material


@pytest.mark.parametrize("kind", [Material, Secret])
def test_it_shows_itself_to_nobody(kind: type) -> None:
    one = kind(b"canary")
    assert "canary" not in repr(one)
    assert "canary" not in str(one)
    with pytest.raises(TypeError):
        pickle.dumps(one)
    with pytest.raises(TypeError):
        _ = one == kind(b"canary")
    with pytest.raises(TypeError):
        hash(one)


def test_crypto_itself_reads_it() -> None:
    assert Material(b"canary").expose() == b"canary"
