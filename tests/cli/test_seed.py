"""Fixed worlds: `keystead run --seed` and `keystead serve --seed`."""

import json
import sys
from pathlib import Path

from tests.live import KEYSTEAD, LiveServer, keystead, live

VECTORS = Path(__file__).parents[1] / "vectors" / "seed"
SEED = str(VECTORS / "seed.toml")
ONE = json.loads((VECTORS / "ciphertexts.json").read_text(encoding="utf-8"))[0]
DECRYPT = [*KEYSTEAD, "kms", "Decrypt", "--CiphertextBlob", ONE["CiphertextBlob"]]


def test_a_program_always_meets_the_same_keys() -> None:
    for _ in range(2):
        ended = keystead("run", "--seed", SEED, "--", *DECRYPT)
        assert json.loads(ended.stdout)["Plaintext"] == ONE["Plaintext"], ended.stderr
    program = "import os; print(os.environ['ALIBABA_CLOUD_ACCESS_KEY_ID'])"
    ended = keystead("run", "--seed", SEED, "--", sys.executable, "-c", program)
    assert ended.stdout == "LTAISEED\n"


def test_a_server_is_seeded_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for _ in range(2):
        with live(data, "--seed", SEED) as server:
            client = server.client()
            assert client.ok("Decrypt", CiphertextBlob=ONE["CiphertextBlob"])["Plaintext"] == ONE["Plaintext"]
            assert client.ok("ListKeys")["TotalCount"] == 3
            client.close()
    assert keystead("audit", "verify", "--data", str(data)).returncode == 0
    with live(data) as server:
        server.client().ok("CreateKey")
    told = keystead("serve", "--data", str(data), "--listen", "localhost:0", "--seed", SEED)
    assert (told.returncode, "has keys already" in told.stderr) == (1, True)
    with live(data, "--seed", SEED, "--seed-anyway") as server:
        assert server.client().ok("ListKeys")["TotalCount"] == 4


def test_what_is_refused(tmp_path: Path) -> None:
    other = LiveServer(tmp_path / "other")
    other.start()
    other.stop()
    told = keystead("serve", "--data", str(other.data), "--seed", SEED)
    assert (told.returncode, "the seed is of account 1000000000000001" in told.stderr) == (1, True)
    (tmp_path / "bad.toml").write_text("[[key]]\nid = 1\n")
    told = keystead("run", "--seed", str(tmp_path / "bad.toml"), "--", "true")
    assert (told.returncode, "bad.toml, line 2: key[0].id: Expected `str`" in told.stderr) == (125, True)
    told = keystead("run", "--seed", SEED, "--data", str(tmp_path), "--", "true")
    assert (told.returncode, "--seed is for a private server" in told.stderr) == (2, True)
    assert not (tmp_path / "bad").exists()
