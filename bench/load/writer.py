"""Change scenes by one request after another, and note when each was committed.

    python -m bench.load.writer < SPECIFICATION

The specification is one line of JSON: `port`, `path`, `scenes` (ids, changed in turn), `changes`, the `pause` in
seconds between them, and the `seconds` after which no further one is made. The answer is one line of JSON: for each
change its `sent`, `committed` and `answered` times (Unix time, in seconds). A change counts as committed at the
`updatedAt` of its scene, which the server sets at the beginning of the transaction: the real instant is later.
"""

import http.client
import json
import sys
import time
from datetime import datetime
from typing import Any

from bench.queries import UPDATE_SCENE, body


def main() -> None:
    """Read the specification, make the changes, and print the times."""
    specification = json.loads(sys.stdin.readline())
    connection = http.client.HTTPConnection("127.0.0.1", specification["port"], timeout=120)
    pause = float(specification["pause"])
    times: list[dict[str, float]] = []
    began = time.monotonic()
    for number in range(int(specification["changes"])):
        if time.monotonic() - began > float(specification["seconds"]):
            break
        wait = began + number * pause - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        scene = specification["scenes"][number % len(specification["scenes"])]
        times.append(change(connection, specification["path"], scene, f"Title {time.time_ns()}"))
    print(json.dumps(times), flush=True)


def change(connection: http.client.HTTPConnection, path: str, scene: str, title: str) -> dict[str, float]:
    """Change the title of one scene. Raises SystemExit when the server refuses it."""
    sent = time.time()
    content = json.dumps(body(UPDATE_SCENE, input={"sceneId": scene, "title": title}))
    connection.request("POST", path, content, {"content-type": "application/json", "accept": "application/json"})
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    answered = time.time()
    if answer.get("errors") or answer["data"]["updateScene"]["errors"]:
        raise SystemExit(f"a change was refused: {answer}")
    committed = datetime.fromisoformat(answer["data"]["updateScene"]["scene"]["updatedAt"]).timestamp()
    return {"sent": sent, "committed": committed, "answered": answered}


if __name__ == "__main__":
    main()
