"""`keystead env --dotenv`: an env file, and what it can't hold. How IDEs use it: test_projects.py."""

from pathlib import Path

from tests.live import keystead, live


def test_an_env_file_and_what_it_can_not_hold(tmp_path: Path) -> None:
    words = ("env", "--dotenv", "--data", str(tmp_path / "data"))
    with live(tmp_path / "data", "--proxy") as server:
        clean = {"ALIBABA_CLOUD_SECURITY_TOKEN": "", "NODE_OPTIONS": "", "KEYSTEAD_BEFORE": ""}
        told = keystead(*words, env=clean)
        lines = dict(line.split("=", 1) for line in told.stdout.splitlines())
        assert lines["KEYSTEAD_ENDPOINT"] == server.description["url"]
        assert lines["ALIBABA_CLOUD_ACCESS_KEY_ID"] == server.client().access_key[0]
        assert not any(line.startswith(("export", "unset", "KEYSTEAD_BEFORE")) for line in lines)
        told = keystead(*words)
        assert (told.returncode, told.stdout.count("HTTPS_PROXY=")) == (0, 1)
        said = "warning: an env file takes nothing out: see that ALIBABA_CLOUD_SECURITY_TOKEN is not set beside it"
        assert told.stderr.startswith(said)
        told = keystead(*words, env={"NODE_OPTIONS": "a\nb"})
        assert (told.returncode, told.stdout) == (1, "")
        assert told.stderr.startswith("error: the value of NODE_OPTIONS can't be in an env file")
    told = keystead(*words)
    assert (told.returncode, told.stdout) == (3, "")  # no `(exit 3)`, which is for eval
    told = keystead(*words, "--unset")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("error: --dotenv and --unset exclude each other")
