"""docs/live.md: it shows the code of the client examples, and states the numbers and names of the code."""

import re

from models.domain.errors import Unavailable
from server.graphql.schema import executable_schema
from server.settings import Settings
from server.transports.closing import CloseCode
from server.transports.errors import TransportCode
from server.transports.limits import TransportLimits
from subscriptions import latest
from tests.support.server_process import ROOT

PAGE = (ROOT / "docs" / "live.md").read_text("utf-8")
SHOWN_FILES = {
    "clients/feed.graphql",
    "clients/scenewire.js",
    "clients/graphql-ws.js",
    "clients/apollo.js",
    "clients/event-source.js",
    "clients/follow.py",
}


def region(path: str) -> str:
    """Return the part of a file that the page shows: its `page` region, or the whole file."""
    text = (ROOT / "docs" / path).read_text("utf-8")
    marked = re.search(r"^(?://|#) #?region page\n(.*?)\n+^(?://|#) #?endregion$", text, re.MULTILINE | re.DOTALL)
    return text if marked is None else marked.group(1) + "\n"


class TestLivePage:
    """The page shows the code that was run above, and states the numbers and names of the code."""

    def test_every_code_block_equals_its_file(self) -> None:
        """Every block names a file of docs/clients and equals its shown region."""
        blocks = re.findall(r"^```(\S+) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        assert PAGE.count("```") == 2 * len(blocks)
        assert {path: code for _, path, code in blocks} == {path: region(path) for path in SHOWN_FILES}

    def test_numbers_on_the_page_match_the_code(self) -> None:
        """A changed limit or default requires a change of the page."""
        limits, settings = TransportLimits(), Settings.model_fields
        interval = re.search(r"minIntervalMs: Int! = ([0-9]+)", executable_schema().as_str())
        assert interval is not None
        phrases = [
            f"newest {settings['event_retention_versions'].default:,} of a job",
            f"last {settings['event_retention_seconds'].default // 86_400} days",
            f"more than {settings['subscriber_events'].default} events",
            f"(by default {interval.group(1)} ms), {latest.SCENE_INTERVAL_SECONDS * 1000:g} ms "
            f"and {latest.JOBS_INTERVAL_SECONDS * 1000:g} ms",
            f"nothing for {limits.stall_seconds:g} s",
            f"within {limits.init_seconds:g} s",
            f"more than {limits.message_bytes // 1024} KiB",
            f"beyond {limits.operations_per_socket} on a socket",
            f"more than {limits.control_frames_burst} pings at once or {limits.control_frames_per_second:g} a second",
            f"in more than {limits.fragments_per_message} fragments",
        ]
        assert [phrase for phrase in phrases if phrase not in " ".join(PAGE.split())] == []

    def test_the_page_lists_every_close_code(self) -> None:
        """The table also has 1006, which is never sent: browsers report it for a broken connection."""
        rows = re.findall(r"^\| ([0-9, ]+) \|", PAGE, re.MULTILINE)
        assert {int(code) for row in rows for code in row.split(",")} == {1006, *CloseCode}

    def test_capitalized_names_on_the_page_exist(self) -> None:
        """Each is an enum value of the schema, an error code, or one of the constants FEED and SHOWN of the clients."""
        capitalized = set(re.findall(r"`([A-Z_]+)`", PAGE))
        words = re.findall(r"[A-Z_]+", executable_schema().as_str())
        assert {"FEED", "SHOWN"} < capitalized
        assert capitalized <= {"FEED", "SHOWN", Unavailable("UNAVAILABLE", "").code, *TransportCode, *words}
