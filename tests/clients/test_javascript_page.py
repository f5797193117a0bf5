"""docs/clients.md, the parts on JavaScript and React: their commands and examples run."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import client_programs, node_runtime
from tests.support.javascript_clients import FOLDER
from tests.support.server_app import App, running
from tests.support.server_process import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
EXAMPLES = ROOT / "docs" / "clients"
SOURCES = FOLDER / "javascript" / "src"


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """Install what the examples import."""
    client_programs.install()


@pytest.mark.parametrize(
    ("page", "examples"),
    [
        ("docs/clients.md", ["storyboard.js", "react.jsx"]),
        ("clients/javascript/README.md", ["storyboard.js"]),
        ("clients/react/README.md", ["react.jsx"]),
    ],
)
def test_every_example_equals_its_file(page: str, examples: list[str]) -> None:
    """Its region between the comments `#region page` and `#endregion`."""
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"^```jsx? clients/(\S+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in blocks] == examples
    for name, code in blocks:
        assert f"// #region page\n{code}// #endregion\n" in (EXAMPLES / name).read_text("utf-8")


async def rendered(app: App) -> str:
    """Run the first example, which makes a job; return what it prints."""
    command = [
        node_runtime.node(),
        "--experimental-websocket",
        "--no-warnings",
        str(EXAMPLES / "storyboard.js"),
        app.url,
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


@pytest.mark.sqlite_alone
async def test_the_first_example_renders_a_job(tmp_path: Path) -> None:
    """It prints the states of the connection and the progress, and ends with the job."""
    async with running(tmp_path) as app:
        lines = (await rendered(app)).splitlines()
        titles = (await app.execute("{ jobs { nodes { title status } } }"))["jobs"]["nodes"]
    assert "(live)" in lines
    assert any(line.startswith("100 % ") for line in lines)
    assert lines[-2:] == ["(closed)", "COMPLETED"]
    assert titles == [{"title": "A day at sea", "status": "COMPLETED"}]


def test_the_packages_install_into_an_application(tmp_path: Path) -> None:
    """By the commands of the page; the installed client can be imported."""
    (commands,) = re.findall(r"^```sh\n(clients/build\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = os.pathsep.join([str(Path(node_runtime.node()).parent), os.environ["PATH"]])
    quiet = {"npm_config_audit": "false", "npm_config_fund": "false", "npm_config_prefer_offline": "true"}
    environment = {**os.environ, **quiet, "PATH": path, "APP": str(tmp_path)}
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    subprocess.run(["sh", "-euc", commands], cwd=ROOT, env=environment, check=True, capture_output=True)
    program = "import { createClient } from '@scenewire/client'; import { useJob } from '@scenewire/react'; \
createClient({ url: 'http://localhost/graphql' }).close(); console.log(typeof useJob)"
    (tmp_path / "app.js").write_text(program)
    ran = subprocess.run([node_runtime.node(), "app.js"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert ran.stdout == "function\n"
    shutil.rmtree(tmp_path / "node_modules")


def test_the_page_states_numbers_and_names_of_the_code() -> None:
    """Limits, versions, states and what the package exports."""
    sources = {path.stem: path.read_text("utf-8") for path in SOURCES.glob("*.ts")}
    text = " ".join(PAGE.split())

    def number(module: str, name: str) -> float:
        (digits,) = re.findall(rf"^const {name} = ([\d_]+);", sources[module], re.MULTILINE)
        return int(digits.replace("_", "")) / 1000

    phrases = [
        f"tries again within {number('waits', 'LONGEST_MS'):g} s, or {number('waits', 'PATIENT_MS'):g} s",
        f"hidden for {number('page', 'HIDDEN_MS'):g} s",
        f"expires within {number('connection', 'RENEW_BEFORE_EXPIRY_MS'):g} s",
    ]
    assert [phrase for phrase in phrases if phrase not in text] == []
    (states,) = re.findall(r"type ConnectionState = (.*);", sources["connection"])
    described = PAGE.partition("**States.**")[2].partition("**Errors.**")[0]
    assert set(re.findall(r"'(\w+)'", states)) == set(re.findall(r"`(\w+)`:", described))
    exported = set(re.findall(r"\w+", sources["index"]))
    assert {"GraphQLFailure", "JOB_FEED", "JOB_LIST", "JOB_IDS"} <= exported & set(re.findall(r"\w+", PAGE))
