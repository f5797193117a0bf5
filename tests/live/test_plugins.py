"""Provider plugins: the example of docs/own-providers.md, and the errors of broken plugins."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest

from server.providers.plugins import GROUP, found
from server.providers.providers import configured
from server.settings import Settings, WrongSettings, load
from tests.support import jobs
from tests.support.client import Client
from tests.support.replicate_files import clip
from tests.support.server_process import ROOT, ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS

EXAMPLE = ROOT / "docs" / "examples" / "scenewire-shelf"
DOCUMENTATION = (ROOT / "docs" / "own-providers.md").read_text("utf-8")
PROVIDERS = (ROOT / "docs" / "providers.md").read_text("utf-8")


def install(folder: Path, name: str, entry_points: dict[str, str], **modules: str) -> None:
    """Write the files of an installed package: its modules and the metadata with its entry points."""
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    metadata = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{provider} = {value}" for provider, value in entry_points.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A folder on the import path of this process and its children, without SCENEWIRE_ settings."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    importlib.invalidate_caches()
    found.cache_clear()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SCENEWIRE_{name.upper()}", raising=False)
    yield folder
    found.cache_clear()


def test_the_page_shows_the_files_of_the_example() -> None:
    """Code copied from docs/own-providers.md is the code that the tests run."""
    shown = dict(re.findall(r"```(python|toml)\n(.*?)```", DOCUMENTATION, re.DOTALL))
    assert shown == {
        "python": (EXAMPLE / "scenewire_shelf.py").read_text(),
        "toml": (EXAMPLE / "pyproject.toml").read_text(),
    }


def test_the_documented_replicate_input_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings accept it as a template."""
    (example,) = re.findall(r"```json\n(.*?)```", PROVIDERS, re.DOTALL)
    monkeypatch.setenv("SCENEWIRE_REPLICATE_INPUT", example)
    assert load().replicate_input == example


async def test_the_example_provider_renders_in_a_server_process(
    tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by its entry point, it is the default provider, and its clips are served."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(
        plugins,
        project["name"],
        project["entry-points"][GROUP],
        scenewire_shelf=(EXAMPLE / "scenewire_shelf.py").read_text(),
    )
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "one.mp4").write_bytes(clip(0.5))
    monkeypatch.setenv("SHELF_FOLDER", str(tmp_path / "shelf"))
    server = ServerProcess(tmp_path, provider="shelf").start()
    client = Client(server.url)
    try:
        assert "shelf" in (await client.execute("{ serverInfo { providers } }"))["serverInfo"]["providers"]
        job = await jobs.make(client, jobs.scene(), start=True)
        assert await jobs.settled(client, job.id) == "COMPLETED"
        found = await jobs.job(client, job.id, "scenes { nodes { providerId output { contentType url } } }")
        scene = found["scenes"]["nodes"][0]
        assert (scene["providerId"], scene["output"]["contentType"]) == ("shelf-1", "video/mp4")
        assert (await client.http.get(scene["output"]["url"])).content == clip(0.5)
    finally:
        await client.close()
        server.stop()


@pytest.mark.parametrize(
    ("source", "value", "why"),
    [
        ("", "gone:Provider", "cannot be loaded: ModuleNotFoundError: No module named 'gone'"),
        ("", "{module}:Provider", "cannot be loaded: AttributeError: module '{module}' has no attribute 'Provider'"),
        ("Provider = 5", "{module}:Provider", "cannot be loaded: TypeError: 'int' object is not callable"),
        (
            "def Provider(): raise RuntimeError('no key:\\n set IT')",
            "{module}:Provider",
            "cannot be loaded: RuntimeError: no key: set IT",
        ),
        ("Provider = dict", "{module}:Provider", "is not a provider: it has no submit, follow, cancel, close"),
        (
            "from providers.scripted import ScriptedProvider as Provider",
            "{module}:Provider",
            "returns a provider named 'scripted'",
        ),
    ],
    ids=["no module", "no attribute", "not to be called", "raises", "no provider", "another name"],
)
def test_a_broken_provider_is_rejected_in_one_line(
    plugins: Path, request: pytest.FixtureRequest, source: str, value: str, why: str
) -> None:
    """The line contains the provider, its package and the reason."""
    module = f"broken_{abs(hash(request.node.name))}"
    value, why = value.format(module=module), why.format(module=module)
    install(plugins, "a-package", {"mine": value}, **{module: source})
    with pytest.raises(WrongSettings) as wrong:
        configured(load())
    assert str(wrong.value) == f"the provider mine of a-package ({value}) {why}"


def test_a_plugin_cannot_use_the_name_of_a_built_in_provider(plugins: Path) -> None:
    """A package cannot replace the provider that existing jobs name."""
    install(plugins, "a-package", {"local": "a:Provider"})
    line = "SCENEWIRE_PROVIDER: the provider local of a-package (a:Provider) has the name of a built-in provider"
    with pytest.raises(WrongSettings) as wrong:
        load()
    assert str(wrong.value) == line


def test_two_packages_cannot_register_the_same_provider_name(plugins: Path) -> None:
    """The choice would be ambiguous."""
    install(plugins, "a-package", {"mine": "a:Provider"})
    install(plugins, "b-package", {"mine": "b:Provider"})
    with pytest.raises(WrongSettings, match=r"^SCENEWIRE_PROVIDER: the provider mine .* has the same name as"):
        load()


def test_the_server_does_not_start_with_a_broken_provider(tmp_path: Path, plugins: Path) -> None:
    """One line on standard error and exit status 2, no traceback."""
    install(plugins, "a-package", {"mine": "gone:Provider"})
    environment = ServerProcess(tmp_path).environment
    done = subprocess.run(
        [sys.executable, "-m", "server"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    message = "scenewire: the provider mine of a-package (gone:Provider) cannot be loaded: ModuleNotFoundError: "
    assert (done.returncode, done.stderr) == (2, f"{message}No module named 'gone'\n")
