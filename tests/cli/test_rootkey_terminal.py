"""What a person types at a terminal: passphrases, which do not show, and the words of shares."""

import os
import pty
import select
import time
from pathlib import Path

from tests.live import KEYSTEAD, keystead, live, without_ours

PHRASE, OTHER = "correct horse battery staple", "another horse battery staple"
CTRL_C = "\x03"


def typing(words: list[str], *steps: tuple[str, str]) -> tuple[int, str]:
    """Run a command on a terminal of its own: wait for a text, then type; its exit status, and all that the terminal showed."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - another program
        os.execve(KEYSTEAD[0], [*KEYSTEAD, *words], {**without_ours(), "NO_COLOR": "1"})
    shown, seen, waiting = "", 0, list(steps)
    deadline = time.monotonic() + 90
    while True:
        assert time.monotonic() < deadline, shown
        if waiting and waiting[0][0] in shown[seen:]:
            seen = len(shown)
            os.write(terminal, waiting.pop(0)[1].encode())
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part.decode(errors="replace")
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown


def test_a_server_asks_at_its_start_and_lets_itself_be_interrupted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = ["serve", "--data", str(data), "--listen", "localhost:0", "--root-key", "passphrase"]
    assert typing(words, ("root key: ", CTRL_C))[0] == 130
    status, shown = typing(words, ("root key: ", "weak\n"), ("again: ", "weak\n"))
    assert (status, "at least 15 characters" in shown) == (1, True)
    assert not (data / "keystead.db").exists()
    status, shown = typing(
        words, ("root key: ", f"{PHRASE}\n"), ("again: ", f"{PHRASE}\n"), ("login", CTRL_C)
    )
    assert status == 0, shown
    assert PHRASE not in shown
    # From here on the data says what is asked for.
    status, shown = typing(words[:5], ("root key: ", f"{PHRASE}\n"), ("login", CTRL_C))
    assert (status, PHRASE in shown) == (0, False)
    status, shown = typing(words[:5], ("root key: ", f"{OTHER}\n"))
    assert (status, "this is not the passphrase" in shown) == (1, True)


def test_a_passphrase_is_changed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data):
        pass
    of = ["--data", str(data)]
    new = (("root key: ", f"{PHRASE}\n"), ("again: ", f"{PHRASE}\n"))
    assert typing(["rootkey", "rotate", "--to", "passphrase", *of], *new)[0] == 0
    steps = (("the passphrase of the root key: ", f"{PHRASE}\n"), ("the new passphrase", f"{OTHER}\n"))
    status, shown = typing(
        ["rootkey", "rotate", "--to", "passphrase", *of], *steps, ("again: ", f"{PHRASE}\n")
    )
    assert (status, "the two are not the same" in shown) == (1, True)
    status, shown = typing(
        ["rootkey", "rotate", "--to", "passphrase", *of], *steps, ("again: ", f"{OTHER}\n")
    )
    assert status == 0, shown
    assert PHRASE not in shown
    assert OTHER not in shown
    assert typing(["account", "list", *of], ("root key: ", f"{OTHER}\n"))[0] == 0
    assert typing(["account", "list", *of], ("root key: ", CTRL_C))[0] == 130


def test_shares_are_typed_and_a_wrong_one_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with live(data):
        pass
    told = keystead("rootkey", "export", "--shares", "2/3", "--print", "--data", str(data))
    blocks = told.stdout.split("----- BEGIN SHARE -----")[1:]
    shares = [
        " ".join(word for word in block.partition("-----")[0].split() if word.isalpha()) for block in blocks
    ]
    (data / "root.key").rename(tmp_path / "lost")
    status, shown = typing(
        ["rootkey", "import", "--data", str(data)],
        ("words of share 1: ", f"{shares[0]}\n"),
        ("words of share 2 of 2: ", f"{shares[0]}\n"),
        ("words of share 2 of 2: ", "nonsense\n"),
        ("words of share 2 of 2: ", f"{shares[2]}\n"),
    )
    assert status == 0, shown
    assert "this share was given already" in shown
    assert "word 1 is none of the list" in shown
    assert (data / "root.key").read_bytes() == (tmp_path / "lost").read_bytes()
