"""A second user who asks for something small every 100 ms, in a process of its own: `python -m tests.support.canary`.

Arguments: host, port, token. Each line on its standard input is answered by a line of JSON about the time since the
last one: how often it asked (twice at least), the longest wait, how late its own clock was at most, what went wrong.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

PERIOD_SECONDS = 0.1
TIMEOUT_SECONDS = 10
DOCUMENT = json.dumps({"query": "{ viewer { id } jobs(first: 1) { totalCount } }"})


class CanaryReport(NamedTuple):
    """What the canary noticed in a while."""

    asked: int
    worst_seconds: float
    late_seconds: float
    wrong: list[str]


@dataclass
class Canary:
    """The test's side of it."""

    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, host: str, port: int, token: str) -> "Canary":
        """Let it sing."""
        command = [sys.executable, "-m", "tests.support.canary", host, str(port), token]
        pipe = subprocess.PIPE
        canary = cls(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        canary.report()
        return canary

    def report(self) -> CanaryReport:
        """What it noticed since the last time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return CanaryReport(*json.loads(self.process.stdout.readline()))

    def stop(self) -> None:
        """Let it rest."""
        self.process.communicate()


class _Prober:
    def __init__(self, host: str, port: int, token: str) -> None:
        self._place = (host, port)
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        self._asked = threading.Condition()
        self._report = CanaryReport(0, 0.0, 0.0, [])

    def run(self) -> None:
        """For ever, on a connection of its own each time."""
        due = time.monotonic()
        while True:
            late = time.monotonic() - due
            begun = time.monotonic()
            wrong = self._ask()
            took = time.monotonic() - begun
            with self._asked:
                asked, worst, lateness, before = self._report
                self._report = CanaryReport(asked + 1, max(worst, took), max(lateness, late), before + wrong)
                self._asked.notify()
            due = max(due + PERIOD_SECONDS, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def report(self) -> CanaryReport:
        """And begin anew; not before it has asked twice, so that one of the two lay within."""
        with self._asked:
            self._asked.wait_for(lambda: self._report.asked >= 2)
            told, self._report = self._report, CanaryReport(0, 0.0, 0.0, [])
        return told

    def _ask(self) -> list[str]:
        connection = http.client.HTTPConnection(*self._place, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/graphql", DOCUMENT, self._headers)
            answer = connection.getresponse()
            body = answer.read()
            return [] if answer.status == 200 and "errors" not in json.loads(body) else [body.decode()]
        except (OSError, ValueError, http.client.HTTPException) as error:
            return [repr(error)]
        finally:
            connection.close()


def main() -> None:
    """Sing in a thread, answer in this one."""
    host, port, token = sys.argv[1:]
    prober = _Prober(host, int(port), token)
    threading.Thread(target=prober.run, daemon=True).start()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(prober.report()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
