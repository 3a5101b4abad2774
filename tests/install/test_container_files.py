"""The files for Compose, Kubernetes and the balancer before containers: against their schemas, and against the image."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from keystead.server.data.store_choice import choose
from keystead.settings import SETTINGS
from tests.built import ROOT
from tests.install.test_container import COMPOSE_SEVERAL, CONTAINERFILE, DATA, USER, last
from tests.live import needs

COMPOSE = ROOT / "examples" / "container" / "compose.yaml"
BALANCER = COMPOSE.with_name("haproxy.cfg")
MANIFESTS = ROOT / "examples" / "kubernetes" / "keystead.yaml"
MANIFESTS_SEVERAL = MANIFESTS.with_name("several.yaml")
OF_COMPOSE = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
KNOWN = {one.variable for one in SETTINGS} | {"CREDENTIALS_DIRECTORY"}
STOP = next(int(one.shown_default) for one in SETTINGS if one.name == "stop-seconds")


def test_compose_runs_the_image_as_it_is() -> None:
    service = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["keystead"]
    assert service["volumes"] == [f"data:{DATA}"]
    assert service["ports"] == [f"{last('EXPOSE')}:{last('EXPOSE')}"]
    runs_the_image(service)


def runs_the_image(service: dict[str, Any]) -> None:
    """A service of Compose."""
    assert (COMPOSE.parent / service["build"]["context"]).resolve() == ROOT
    assert ROOT / service["build"]["dockerfile"] == CONTAINERFILE
    assert service["read_only"] is True
    assert set(service["environment"]) <= KNOWN
    wait = int(service["environment"].get("KEYSTEAD_DRAIN_SECONDS", "0")) + STOP
    assert int(service["stop_grace_period"].removesuffix("s")) > wait


def test_compose_of_several() -> None:
    asked = yaml.safe_load(COMPOSE_SEVERAL.read_text(encoding="utf-8"))
    services = asked["services"]
    servers = {name: one for name, one in services.items() if name.startswith("kms")}
    assert sorted(servers) == ["kms1", "kms2", "kms3"]
    for name, service in servers.items():
        runs_the_image(service)
        assert service["hostname"] == name
        assert service["volumes"] == [f"{name}:{DATA}", "socket:/run/postgresql:ro"]
    for service in services.values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert {one.partition(":")[0] for one in service["volumes"]} <= {*asked["volumes"], "./haproxy.cfg"}
        assert set(service.get("secrets", [])) <= set(asked["secrets"])
    assert "socket:/run/postgresql" in services["postgres"]["volumes"]
    backends = re.findall(r"^    server (\w+) (\w+):(\d+)$", BALANCER.read_text(), re.MULTILINE)
    assert backends == [(name, name, last("EXPOSE")) for name in servers]
    drain = int(servers["kms1"]["environment"]["KEYSTEAD_DRAIN_SECONDS"])
    inter, fall = re.findall(r" inter (\d+)s fall (\d+) ", BALANCER.read_text())[0]
    assert drain > int(inter) * int(fall)


@pytest.mark.parametrize(("manifests", "replicas"), [(MANIFESTS, 1), (MANIFESTS_SEVERAL, 3)])
def test_kubernetes_runs_the_image_as_it_is(manifests: Path, replicas: int) -> None:
    objects = {one["kind"]: one for one in yaml.safe_load_all(manifests.read_text(encoding="utf-8"))}
    assert ("PodDisruptionBudget" in objects) == (replicas > 1)
    pod = objects["StatefulSet"]["spec"]["template"]["spec"]
    assert objects["StatefulSet"]["spec"]["replicas"] == replicas
    assert pod["securityContext"]["runAsUser"] == USER
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    for one in (*pod["initContainers"], container):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert set(variables) <= KNOWN
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert str(ports["https"]) == last("EXPOSE")
    assert variables["KEYSTEAD_OPS_LISTEN"].endswith(f":{ports['metrics']}")
    drain = int(variables["KEYSTEAD_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] > drain + STOP
    probe = container["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < drain
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    given = variables.get("CREDENTIALS_DIRECTORY", f"{DATA}/root.key")
    assert mounts == {DATA, given, "/tmp"}
    if replicas > 1:
        assert choose(variables["KEYSTEAD_STORE"]).sslmode == "verify-full"


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", str(CONTAINERFILE)],
        ["kubernetes-validate", "--strict", str(MANIFESTS), str(MANIFESTS_SEVERAL)],
        [*OF_COMPOSE, str(COMPOSE), str(COMPOSE_SEVERAL)],
        ["haproxy", "-c", "-q", "-f", str(BALANCER)],
    ],
    ids=lambda command: command[0],
)
def test_linters_have_nothing_to_say(command: list[str]) -> None:
    needs(command[0])
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, shlex.join(command) + ended.stdout + ended.stderr


def test_a_word_that_compose_does_not_know_is_found(tmp_path: Path) -> None:
    needs(OF_COMPOSE[0])
    wrong = tmp_path / "compose.yaml"
    text = COMPOSE_SEVERAL.read_text(encoding="utf-8")
    assert "cap_drop:" in text
    wrong.write_text(text.replace("cap_drop:", "caps_drop:"))
    assert subprocess.run([*OF_COMPOSE, str(wrong)], capture_output=True, check=False).returncode == 1
