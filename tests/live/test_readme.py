"""README.md and docs/rest.md: their examples print the shown output on a fresh server. Settings and make targets that
the documents name exist."""

import json
import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from server.settings import Settings
from tests.support.server_process import ROOT, ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS

README = (ROOT / "README.md").read_text("utf-8")
REST = (ROOT / "docs" / "rest.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ID = re.compile(r"\b(job|scene|take)_[0-9a-z]{26}\b")
NEW_EXTERNAL_JOB = """
mutation {
  createJob(input: {title: "External job", provider: "external", scenes: [{prompt: "Dawn"}]}) {
    job { id scenes { nodes { id } } }
  }
}
"""
CANCEL = "mutation($id: ID!) { cancelJob(input: {jobId: $id}) { job { status } } }"


def commands(heading: str) -> list[tuple[str, str]]:
    """Return the commands of a section of the README, each with its shown output."""
    return console(README.split(f"## {heading}\n")[1].split("\n## ")[0])


def console(section: str) -> list[tuple[str, str]]:
    """Return the commands of a text, each with its shown output."""
    shown = "\n".join(re.findall(r"```console\n(.*?)```", section, re.DOTALL))
    parts = re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]
    return [(command, output.strip("\n")) for command, _, output in (part.partition("\n") for part in parts)]


def matches(shown: str, output: str) -> bool:
    """Whether the output matches the README, where an ellipsis stands for any text."""
    pattern = ".*".join(re.escape(part) for part in shown.split("…"))
    return re.fullmatch(pattern, output.strip("\n"), re.DOTALL) is not None


class Shell:
    """Runs README commands with the ids of this run, and restores the placeholders in their output."""

    def __init__(self, url: str, environment: dict[str, str] | None = None) -> None:
        self._url = url
        self._environment = environment
        self.ids: dict[str, str] = {}

    def run(self, command: str) -> str:
        for name, value in self.ids.items():
            command = re.sub(rf"\b{name}\b", value, command)
        command = command.replace("http://localhost:4000", self._url)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
        for match in ID.finditer(done.stdout):
            self.ids.setdefault(match.group(1).upper(), match.group(0))
        names = {value: name for name, value in self.ids.items()}
        return ID.sub(lambda match: names.get(match.group(0), match.group(0)), done.stdout)


@pytest.fixture
def server(tmp_path: Path) -> Generator[ServerProcess]:
    server = ServerProcess(tmp_path).start()
    yield server
    server.stop()


def test_the_graphql_examples_print_the_shown_output(server: ServerProcess) -> None:
    """Mutation, subscription and query of a job with settings, which the provider local renders."""
    shell = Shell(server.url)
    examples = commands("Use it")
    assert len(examples) == 3
    for command, shown in examples:
        output = shell.run(command)
        assert matches(shown, output), f"{command}\nshown:  {shown}\noutput: {output}"


def test_the_rest_examples_print_the_shown_output(server: ServerProcess) -> None:
    """On a scene of an external job in draft; DELETE returns 422 until the job is canceled."""

    def graphql(document: str, **variables: str) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
        return httpx.post(f"{server.url}/graphql", json={"query": document, "variables": variables}).json()

    shell = Shell(server.url)
    shell.ids = {match.group(1).upper(): match.group(0) for match in ID.finditer(str(graphql(NEW_EXTERNAL_JOB)))}
    assert set(shell.ids) == {"JOB", "SCENE"}
    calls = console(REST)
    assert len(calls) == 5
    for command, shown in calls:
        output = shell.run(command)
        assert matches(shown, output), f"{command}\nshown:  {shown}\noutput: {output}"

    status = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE"]
    address = f"{server.url}/api/v3/jobs/{shell.ids['JOB']}/scenes/{shell.ids['SCENE']}"
    assert subprocess.run([*status, address], capture_output=True, text=True, check=True).stdout == "422"
    assert graphql(CANCEL, id=shell.ids["JOB"])["data"]["cancelJob"]["job"]["status"] == "CANCELED"
    assert subprocess.run([*status, address], capture_output=True, text=True, check=True).stdout == "200"


def test_the_authentication_examples_work_and_no_secret_is_logged(tmp_path: Path) -> None:
    """Token, query and revoke in production; even the debug log contains no token, prompt or secret."""
    secret = "a secret that only this server and its operator know"
    server = ServerProcess(
        tmp_path, profile="production", auth_secret=secret, provider="external", log_level="debug"
    ).start()
    try:
        shell = Shell(server.url, server.environment)
        examples = commands("Authentication")
        assert len(examples) == 3
        for command, output in examples:
            printed = shell.run(command)
            assert matches(output, printed), f"{command}\nshown:   {output}\nprinted: {printed}"
        token = shell.run(".venv/bin/python -m server token --sub amy --roles user,admin --name Amy --ttl 90s").strip()
        answer = httpx.post(
            f"{server.url}/graphql?access_token={token}",
            json={"query": NEW_EXTERNAL_JOB},
            headers={"authorization": f"Bearer {token}"},
        )
        assert answer.json()["data"]["createJob"]["job"]
        job_id = answer.json()["data"]["createJob"]["job"]["id"]
        watching = f".venv/bin/python -m server watch {job_id} --url {server.url}"
        assert "The server refused the token" in shell.run(f"{watching} --token wrong; test $? = 6")
        cancel = {"query": CANCEL, "variables": {"id": job_id}}
        httpx.post(f"{server.url}/graphql", json=cancel, headers={"authorization": f"Bearer {token}"})
        assert "External job" in shell.run(f"SCENEWIRE_TOKEN={token} {watching}; test $? = 3")
    finally:
        server.stop()
    log = server.log.read_text()
    requests = [json.loads(line) for line in log.splitlines() if '"scenewire.access"' in line]
    assert ("POST /graphql", 200) in [(each["message"], each["status"]) for each in requests]
    assert not [word for word in (token, token.split(".")[1], "Dawn", "access_token", secret) if word in log]


def test_documented_make_targets_exist() -> None:
    """Those of README.md and CONTRIBUTING.md; `make` without a target lists them."""
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    documented = set(re.findall(r"\bmake ([a-z-]+)", README + CONTRIBUTING))
    assert documented
    assert documented <= targets


def test_every_setting_is_documented() -> None:
    """In docs/settings.md or docs/security.md; no other setting is, nor in the README."""
    pages = [(ROOT / "docs" / name).read_text("utf-8") for name in ("settings.md", "security.md")]
    assert documented_settings("".join(pages)) == set(Settings.model_fields)
    assert documented_settings(README) <= set(Settings.model_fields)


def documented_settings(page: str) -> set[str]:
    """Return the settings of the tables of a page."""
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", page, re.MULTILINE)
    return {name.lower() for row in rows for name in re.findall(r"[A-Z_]+", row)}
