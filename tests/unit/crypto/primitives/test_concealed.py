import pickle
from collections.abc import Callable
from functools import partial

import pytest

from keystead.crypto.material import Material
from keystead.crypto.primitives.prf import Prf
from keystead.crypto.signing_secret import Secret


@pytest.mark.parametrize("kind", [Material, Secret, partial(Prf, "sha512")])
def test_it_shows_itself_to_nobody(kind: Callable[[bytes], object]) -> None:
    one = kind(b"canary")
    assert "canary" not in repr(one)
    assert "canary" not in str(one)
    with pytest.raises(TypeError):
        pickle.dumps(one)
    with pytest.raises(TypeError):
        _ = one == kind(b"canary")
    with pytest.raises(TypeError):
        hash(one)
