"""The page about metrics, docs/metrics.md."""

import re
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def documented_labels() -> dict[str, set[str]]:
    """Return the labels of each metric in the tables of the page."""
    row = r"^\| (`[a-z_`, ]+`) \| (?:counter|gauge|histogram) \| ([a-z_, ]*)\|"
    rows = re.findall(row, _PAGE.read_text("utf-8"), re.MULTILINE)
    return {
        name: {label for label in labels.replace(" ", "").split(",") if label}
        for names, labels in rows
        for name in re.findall(r"`(\w+)`", names)
    }
