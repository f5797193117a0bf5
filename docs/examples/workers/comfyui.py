"""Renders a lease with ComfyUI: `python worker.py python comfyui.py workflow.json`.

The workflow is a template as in ../comfyui without pictures; its prompt, negative prompt and seed are those of the
lease. SIGTERM ends the render, also in ComfyUI. Environment: COMFYUI_URL. Needs httpx.
"""

import json
import os
import signal
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

COMFYUI = httpx.Client(base_url=os.environ.get("COMFYUI_URL", "http://127.0.0.1:8188"), timeout=60)
# The same for every attempt at a take, so that a worker that takes it over does not submit it again.
NAMESPACE = uuid.UUID("5f0c0b46-2f0e-4c7b-9b8e-5a2f3c1d7e90")


def submit(lease: dict[str, Any], template: dict[str, Any]) -> str:
    """Queue the workflow, unless it is known; return the id of its prompt."""
    prompt_id = str(uuid.uuid5(NAMESPACE, lease["take_id"]))
    queue = COMFYUI.get("/queue").json()
    known = {entry[1] for entry in queue["queue_running"] + queue["queue_pending"]}
    if prompt_id not in known and not COMFYUI.get(f"/history/{prompt_id}").json():
        values = {"prompt": lease["prompt"], **{name: lease["settings"][name] for name in ("negative_prompt", "seed")}}
        for name, place in template["scenewire"]["slots"].items():
            node, _, field = place.partition(".")
            if values.get(name) is not None:
                template["workflow"][node]["inputs"][field] = values[name]
        body = {"prompt": template["workflow"], "prompt_id": prompt_id, "client_id": prompt_id}
        COMFYUI.post("/prompt", json=body).raise_for_status()
    return prompt_id


def result(prompt_id: str) -> dict[str, Any]:
    """Return the outputs of the prompt when it has ended."""
    while not (found := COMFYUI.get(f"/history/{prompt_id}").json()):
        time.sleep(1)
    return found[prompt_id]["outputs"]


def clip(outputs: dict[str, Any]) -> dict[str, str]:
    """Return the saved video."""
    files = [each for node in outputs.values() for found in node.values() for each in found if hasattr(each, "keys")]
    return [each for each in files if each["filename"].endswith((".mp4", ".webm", ".mov"))][-1]


lease, template = json.load(sys.stdin), json.loads(Path(sys.argv[1]).read_text())
prompt_id = submit(lease, template)


def cancel(*_: object) -> None:
    """Take the prompt out of the queue, or interrupt it."""
    COMFYUI.post("/queue", json={"delete": [prompt_id]})
    COMFYUI.post("/interrupt", json={"prompt_id": prompt_id})
    sys.exit(1)


signal.signal(signal.SIGTERM, cancel)
file = clip(result(prompt_id))
place = {"filename": file["filename"], "subfolder": file["subfolder"], "type": file["type"]}
Path(sys.argv[-1]).write_bytes(COMFYUI.get("/view", params=place).raise_for_status().content)
