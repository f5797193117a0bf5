"""A second user that sends a small request every 100 ms, in a process of its own: `python -m tests.support.canary`.

Arguments: host, port, token. Each line on standard input is answered by a line of JSON about the time since the last
one: requests sent (at least two), and the errors. What the server does meanwhile is measured by its probe.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

from tests.support.waiting import TIMEOUT_SECONDS

PERIOD_SECONDS = 0.1
DOCUMENT = json.dumps({"query": "{ viewer { id } jobs(first: 1) { totalCount } }"})


class CanaryReport(NamedTuple):
    """Requests sent, and the errors."""

    sent: int
    errors: list[str]


@dataclass
class Canary:
    """The handle of a test on the process."""

    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, host: str, port: int, token: str) -> "Canary":
        """Start sending requests."""
        command = [sys.executable, "-m", "tests.support.canary", host, str(port), token]
        pipe = subprocess.PIPE
        canary = cls(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        canary.report()
        return canary

    def report(self) -> CanaryReport:
        """Return what was measured since the last report."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return CanaryReport(*json.loads(self.process.stdout.readline()))

    def stop(self) -> None:
        """End the process."""
        self.process.communicate()


class _Prober:
    def __init__(self, host: str, port: int, token: str) -> None:
        self._place = (host, port)
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        self._sent = threading.Condition()
        self._report = CanaryReport(0, [])

    def run(self) -> None:
        """Send requests until the process ends, each on a connection of its own."""
        due = time.monotonic()
        while True:
            errors = self._request()
            with self._sent:
                sent, before = self._report
                self._report = CanaryReport(sent + 1, before + errors)
                self._sent.notify()
            due = max(due + PERIOD_SECONDS, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def report(self) -> CanaryReport:
        """Return the report and begin a new one. Wait for two requests, so that one lies within the period."""
        with self._sent:
            self._sent.wait_for(lambda: self._report.sent >= 2)
            report, self._report = self._report, CanaryReport(0, [])
        return report

    def _request(self) -> list[str]:
        connection = http.client.HTTPConnection(*self._place, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/graphql", DOCUMENT, self._headers)
            response = connection.getresponse()
            body = response.read()
            return [] if response.status == 200 and "errors" not in json.loads(body) else [body.decode()]
        except (OSError, ValueError, http.client.HTTPException) as error:
            return [repr(error)]
        finally:
            connection.close()


def main() -> None:
    """Send requests in a thread, report in this one."""
    host, port, token = sys.argv[1:]
    prober = _Prober(host, int(port), token)
    threading.Thread(target=prober.run, daemon=True).start()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(prober.report()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
