"""How fast this machine is now: cores that are shared with other work take up to three times as long."""

import json
import time

# CPU time of the reference work on a machine of the project that does nothing else.
REFERENCE_SECONDS = 0.015


def slowness() -> float:
    """Return how much longer this machine takes now than a quiet one; at least 1."""
    began = time.thread_time()
    for _ in range(3):
        json.loads(json.dumps([{"prompt": f"Scene {number}", "number": number} for number in range(4000)]))
    return max(1.0, (time.thread_time() - began) / REFERENCE_SECONDS)
