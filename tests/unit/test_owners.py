import os
from pathlib import Path

import pytest

from keystead import owners


def test_a_name_or_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert owners.name_of(0) == "root"
    assert owners.name_of(4_000_000_000) == "#4000000000"


def test_who_may_not_look_is_told_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = owners.hint(tmp_path / "none" / "file")
    assert own == f"check the mode of {tmp_path}"
    name = owners.name_of(os.geteuid())
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert (
        owners.hint(tmp_path)
        == f"{tmp_path} belongs to {name}; run this as that user: sudo -u {name} keystead …"
    )
