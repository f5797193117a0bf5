"""The files in deploy/ and compose.yaml name settings, commands, paths and times that exist."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from configparser import RawConfigParser
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml
from obstore.store import S3Store
from typer.core import TyperGroup
from typer.main import get_command

from server.cli import app
from server.health import LIVENESS_PATH, READINESS_PATH
from server.processes.supervisor import STOP_SECONDS
from server.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
SECRET = "a secret of thirty-two bytes and more"


@cache
def resources() -> list[dict[str, Any]]:
    """Return every resource of the manifests, the kustomization apart."""
    files = [file for file in MANIFESTS if file.name != "kustomization.yaml"]
    return [resource for file in files for resource in yaml.safe_load_all(file.read_text("utf-8"))]


def pods() -> dict[str, dict[str, Any]]:
    """Return the pod of each deployment and job, by its name."""
    found = [each for each in resources() if each["kind"] in ("Deployment", "Job")]
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in found}


def of_systemd(file: Path) -> RawConfigParser:
    """Return a unit."""
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read_string(file.read_text("utf-8"))
    return unit


def kubernetes_environment() -> dict[str, str]:
    """Return the variables of all pods, with values for the secrets."""
    given = [each.get("data") or each["stringData"] for each in resources() if each["kind"] in ("ConfigMap", "Secret")]
    return {name: value or SECRET for variables in given for name, value in variables.items()}


def systemd_environment() -> dict[str, str]:
    """Return the variables of the units, with values for the secrets."""
    lines = (DEPLOY / "systemd" / "scenewire.env").read_text("utf-8").splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value or SECRET for name, _, value in pairs}


def compose_environment() -> dict[str, str]:
    """Return the variables of the services that run this program, with their defaults, or values for the secrets."""
    services = [each for each in COMPOSE["services"].values() if each["image"] == "scenewire"]
    given = {name: str(value) for each in services for name, value in each["environment"].items()}
    return {name: re.sub(r"\$\{\w+:([-?])([^}]*)\}", _default, value) for name, value in given.items()}


def _default(match: re.Match[str]) -> str:
    return match[2] if match[1] == "-" else SECRET


ENVIRONMENTS = {
    "compose": compose_environment,
    "kubernetes": kubernetes_environment,
    "systemd": systemd_environment,
}


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the command of every service, unit and pod, with its place."""
    for name, service in COMPOSE["services"].items():
        if service["image"] == "scenewire":
            yield f"compose {name}", service["command"]
    for file in UNITS:
        yield file.name, shlex.split(of_systemd(file)["Service"]["ExecStart"])
    for name, pod in pods().items():
        yield f"kubernetes {name}", pod["containers"][0]["command"]


@pytest.mark.parametrize("place", ENVIRONMENTS)
def test_variables_are_settings_with_valid_values(place: str) -> None:
    """Those of the bucket are known to its client; a server of the production profile would start with them."""
    environment = ENVIRONMENTS[place]()
    own = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    assert sorted(own.keys() - Settings.model_fields.keys()) == []
    settings = Settings.model_validate({"profile": "production"} | own)
    assert settings.production
    assert settings.database_url.startswith("postgresql+asyncpg://")
    assert settings.public_url
    others: Any = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    S3Store("bucket", config=others)


def test_commands_exist() -> None:
    """With their options; every deployment migrates, serves and renders."""
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    context = command.make_context("server", ["serve"])
    used: dict[str, set[str]] = {}
    for place, words in commands():
        program, module, package, name, *options = words
        assert (Path(program).name, module, package) == ("python", "-m", "server"), place
        command.commands[name].make_context(name, options, parent=context)
        used.setdefault(place.split()[0].split("-")[0], set()).add(name)
    assert used == {each: {"migrate", "serve", "worker"} for each in ("compose", "kubernetes", "scenewire")}


def test_stops_have_more_time_than_the_program_takes() -> None:
    """Where a pod waits before its stop, that time is added."""
    for name, pod in pods().items():
        seconds = pod.get("terminationGracePeriodSeconds", 30)
        before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["", "0"])
        assert seconds >= STOP_SECONDS + float(before[1]) + 3, name
    for file in UNITS:
        service = of_systemd(file)["Service"]
        if service["Type"] == "exec":
            assert float(service["TimeoutStopSec"]) >= STOP_SECONDS + 3, file
            assert service["RestartPreventExitStatus"] == "2"
    for name in ("api", "worker"):
        assert float(COMPOSE["services"][name]["stop_grace_period"].removesuffix("s")) >= STOP_SECONDS + 3, name


def test_pods_are_confined_and_get_no_variables_of_services() -> None:
    """A service named scenewire would set SCENEWIRE_PORT to its address, which is no setting."""
    for name, pod in pods().items():
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"].keys() == {"requests", "limits"}


def test_probes_ask_existing_paths() -> None:
    """Liveness is not readiness: a database that is away must not restart the servers."""
    for name in ("scenewire-server", "scenewire-worker"):
        (container,) = pods()[name]["containers"]
        paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness", "startup")}
        assert paths == {"liveness": LIVENESS_PATH, "readiness": READINESS_PATH, "startup": LIVENESS_PATH}
        (port,) = [each for each in container["ports"] if each["name"] == "http"]
        assert port["containerPort"] == Settings().port


def test_metrics_are_scraped_where_they_are_shown() -> None:
    """By the annotations and the ports of the pods, and the port of the settings."""
    shown = kubernetes_environment()["SCENEWIRE_METRICS_PORT"]
    for each in resources():
        if each["kind"] == "Deployment":
            template = each["spec"]["template"]
            assert template["metadata"]["annotations"]["prometheus.io/port"] == shown
            ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
            assert ports["metrics"] == int(shown)


def test_processes_of_one_machine_have_ports_of_their_own() -> None:
    """A worker listens for its health, and neither starts on a port that is taken."""
    assert not {name for name in systemd_environment() if name in ("SCENEWIRE_HOST", "SCENEWIRE_PORT")}
    used: list[dict[str, int]] = []
    for name in ("server", "worker"):
        environment = of_systemd(DEPLOY / "systemd" / f"scenewire-{name}.service")["Service"]["Environment"]
        pairs = [word.partition("=") for word in environment.split()]
        used.append({name.removeprefix(PREFIX).lower(): int(value) for name, _, value in pairs if "PORT" in name})
    assert used[0] == {"port": 4000, "metrics_port": 9100}
    # The second process of the server shows its metrics at the port that follows.
    assert used[1] == {"port": 4001, "metrics_port": 9110}


def test_selectors_find_the_pods() -> None:
    """Those of deployments, the service and the budget."""
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in resources() if each["kind"] == "Deployment"]
    for each in resources():
        selector = each.get("spec", {}).get("selector")
        if selector is not None:
            assert selector.get("matchLabels", selector) in labels, each["metadata"]["name"]


def test_kustomization_lists_every_manifest_but_the_secret() -> None:
    """And kubectl, where it is installed, renders it."""
    folder = DEPLOY / "kubernetes"
    listed = set(yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))["resources"])
    assert listed == {file.name for file in MANIFESTS} - {"kustomization.yaml", "secret.example.yaml"}
    if which("kubectl") is None:
        pytest.skip("kubectl is not installed, so the kustomization was not rendered")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
    rendered = [each for each in yaml.safe_load_all(done.stdout) if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in rendered} == {"scenewire"}
    assert len(rendered) == len(resources()) - 2  # without the namespace and the secret


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """And rates their exposure under 3 of 10 points; without the options it is 9.6."""
    if which("systemd-analyze") is None:
        pytest.skip("systemd is not installed, so the units were parsed only")
    for file in UNITS:
        here = tmp_path / file.name
        # Without a version of the interpreter's own installation in the path, which verify looks for.
        here.write_text(re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", file.read_text("utf-8"), flags=re.MULTILINE))
    for command in ("verify", "security --offline=yes --threshold=30"):
        done = subprocess.run(
            ["systemd-analyze", *command.split(), *sorted(tmp_path.glob("*.service"))],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert command != "verify" or done.stderr == ""
