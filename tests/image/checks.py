"""What is asked of the image. A check raises AssertionError, and returns what it measured, if anything."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import httpx

from tests.image import container
from tests.image.buildah import Image
from tests.image.container import Server
from tests.support.client import Json
from tests.support.machine_speed import slowness
from tests.support.tokens import SECRET, token

MOST_BYTES = 500e6
MOST_START_SECONDS = 2.0
# The best of these starts counts.
STARTS = 3
SETTINGS = {"SCENEWIRE_AUTH_SECRET": SECRET, "SCENEWIRE_LOCAL_WIDTH": "320", "SCENEWIRE_LOCAL_HEIGHT": "180"}
# PEP 552: bit 0 says that a hash stands for the source, bit 1 that it is checked.
UNCHECKED = 0b01
CREATE = """
mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } errors { message } } }
"""
STATE = """
query($id: ID!) {
  job(id: $id) {
    status output { url contentType } outputFailure { message }
    scenes { nodes { status failure { message } output { url sizeBytes } } }
  }
}
"""
CAPTIONS = ("مشهد عند الغروب، أمواج هادئة", "夜の灯台、穏やかな海", "밤의 등대와 파도", "עם ישראל 🎬")


Check = Callable[[Image, Path], str | None]


def size(image: Image, data: Path) -> str:
    """It has less than 500 MB."""
    assert image.size < MOST_BYTES, f"{image.size / 1e6:.0f} MB"
    return f"{image.size / 1e6:.0f} MB"


def description(image: Image, data: Path) -> str:
    """Its labels say what it is, and its user is not root."""
    filled = {name for name, value in image.labels.items() if value not in ("", "unknown")}
    wanted = {"title", "description", "version", "revision", "created", "licenses"}
    assert {f"org.opencontainers.image.{name}" for name in wanted} <= filled, image.labels
    assert image.user.isdecimal()
    assert int(image.user) > 0
    return f"user {image.user}, version {image.labels['org.opencontainers.image.version']}"


def no_tools(image: Image, data: Path) -> None:
    """It has no pip, no Node and no compiler."""
    for command in (("python", "-m", "pip"), ("python3", "-m", "pip"), ("node", "-v"), ("npm", "-v"), ("cc", "-v")):
        assert container.run(image, data, *command).returncode != 0, command
    tools = [path for pattern in ("pip", "pip-*", "nodejs*") for path in image.root.glob(f"**/site-packages/{pattern}")]
    assert tools == []


def compiled(image: Image, data: Path) -> str:
    """Python finds every module compiled, and does not compare times."""
    sources = [path for part in ("app", "venv") for path in (image.root / part).rglob("*.py")]
    assert len(sources) > 1000
    stale = [path for path in sources if not _is_compiled(path)]
    assert stale == [], stale[:10]
    return f"{len(sources)} modules"


def _is_compiled(source: Path) -> bool:
    found = list((source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc"))
    return any(file.read_bytes()[4:8] == UNCHECKED.to_bytes(4, "little") for file in found)


def licences(image: Image, data: Path) -> str:
    """The licences of everything inside are there."""
    folder = image.root / "usr/share/scenewire/licenses"
    packages = (folder / "python-packages.txt").read_text()
    index = packages.partition("\n\n")[0].lower().replace("-", "_")
    names = [path.name.partition("-")[0].lower() for path in image.root.glob("venv/lib/*/site-packages/*.dist-info")]
    assert [name for name in names if f"{name.replace('.', '_')} " not in index.replace(".", "_")] == []
    assert "x264" in (folder / "README").read_text()
    web = (folder / "web-packages.md").read_text()
    assert all(name in web for name in ("react", "monaco-editor", "graphiql", "preact", "oauth4webapi"))
    return f"{len(names)} Python packages"


def captions(image: Image, data: Path) -> None:
    """Each script has a font, and Arabic letters are joined."""
    done = container.run(image, data, "python", "/usr/share/scenewire/captions.py", PYTHONPATH=image.folder)
    assert done.returncode == 0, done.stderr


def starts(image: Image, data: Path) -> str:
    """It answers after less than 2 s of CPU time of a quiet machine, beside a database that is there."""
    spent: list[float] = []
    passed: list[float] = []
    slow: list[float] = [slowness()]
    for _ in range(STARTS + 1):
        server = Server(image, data, data.parent / "start.log", **SETTINGS)
        with server.running():
            spent.append(server.cpu_seconds())
            slow.append(slowness())
            passed.append(server.seconds)
            assert server.stop() == 0, server.log.read_text()[-2000:]
    # The first start makes the database.
    assert min(spent[1:]) < MOST_START_SECONDS * median(slow), (spent, slow)
    speed = f"the machine is {median(slow):.1f} times slower than a quiet one"
    return f"{min(spent[1:]):.2f} s of CPU, {min(passed[1:]):.2f} s by the clock; {spent[0]:.2f} s at first; {speed}"


def works(image: Image, data: Path) -> str:
    """Without a writable root it renders captions of several scripts and joins the clips; SIGTERM ends it."""
    server = Server(image, data, data.parent / "work.log", **SETTINGS)
    with server.running():
        assert _mount_options(server.pid, "/").startswith("ro")
        assert _user(server.pid) == int(image.user)
        health = container.run(image, data, *image.health_check, SCENEWIRE_PORT=str(server.port))
        assert health.returncode == 0, health.stderr
        with httpx.Client(
            base_url=server.url, timeout=60.0, headers={"authorization": f"Bearer {token('operator')}"}
        ) as client:
            job = _rendered(client)
            for output in (job["output"], *(scene["output"] for scene in job["scenes"]["nodes"])):
                clip = client.get(output["url"])
                assert (clip.status_code, clip.headers["content-type"]) == (200, "video/mp4")
        assert server.stop() == 0, server.log.read_text()[-2000:]
    log = server.log.read_text()
    assert "Read-only file system" not in log, log[-4000:]
    return f"{len(CAPTIONS)} clips and their video"


def _rendered(client: httpx.Client) -> Json:
    scenes = [{"prompt": prompt, "title": prompt, "durationSeconds": 1} for prompt in CAPTIONS]
    new = {"title": "Captions", "provider": "local", "start": True, "scenes": scenes}
    made = _answer(client, CREATE, {"input": new})["createJob"]
    assert made["errors"] == [], made
    deadline = time.monotonic() + container.TIMEOUT_SECONDS * 5
    while time.monotonic() < deadline:
        job = _answer(client, STATE, {"id": made["job"]["id"]})["job"]
        if job["output"] or job["outputFailure"] or job["status"] == "FAILED":
            assert job["status"] == "COMPLETED", job
            assert job["output"], job
            return job
        time.sleep(0.2)
    raise TimeoutError("the job was not rendered")


def _answer(client: httpx.Client, query: str, variables: Json) -> Json:
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer
    return answer["data"]


def _mount_options(pid: int, place: str) -> str:
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return next(fields[5] for fields in map(str.split, reversed(lines)) if fields[4] == place)


def _user(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Uid:")))


ALL: tuple[Check, ...] = (
    size,
    description,
    no_tools,
    compiled,
    licences,
    captions,
    starts,
    works,
)
