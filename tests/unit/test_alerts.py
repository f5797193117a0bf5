"""The dashboard and the alert rules ask for metrics and labels that exist, and each alert has its instructions."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from server.app import create_app
from server.settings import load
from server.telemetry.measurement import Measurement
from tests.support.metrics_page import documented_labels
from tests.support.plain_ids import plain_text

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "alerts" / "scenewire.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "scenewire.json"
# What the scrape itself adds, and the metric of Prometheus that says whether a target answers.
OF_SCRAPES = {"job", "instance"}
UP = "up"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "info": ("_info",), "histogram": ("_bucket", "_sum", "_count")}
AGGREGATES = {"sum", "max", "count", "topk"}
WORDS = AGGREGATES | {"by", "on", "or", "rate", "vector", "increase", "min_over_time", "histogram_quantile"}


def alert_rules() -> list[dict[str, Any]]:
    """Return the rules of the file."""
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return group["rules"]


def queries() -> list[str]:
    """Return the queries of both files."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [*(rule["expr"] for rule in alert_rules()), *shown]


def registered(tmp_path: Path) -> dict[str, str]:
    """Return the metrics of a server, by the names that queries have for them, with the name on the page."""
    token = "a token of the monitoring, long enough"
    settings = load(
        database_url=f"sqlite+aiosqlite:///{tmp_path}/none.db", media_url=str(tmp_path), metrics_token=token
    )
    metrics = create_app(settings).state.container.metrics
    Measurement(metrics, settings)
    registry: CollectorRegistry = metrics.registry
    names: dict[str, str] = {}
    for family in registry.collect():
        page_name = f"{family.name}_total" if family.type == "counter" else family.name
        names |= {f"{family.name}{suffix}": page_name for suffix in SUFFIXES[family.type]}
    return names


def used(query: str) -> dict[str, set[str]]:
    """Return the metrics of a query, each with the labels that the query selects or groups by."""
    plain = re.sub(r"\[[^\]]*\]", "", query)
    grouped = {each for found in re.findall(r"\b(?:by|on) ?\(([^)]*)\)", plain) for each in re.findall(r"\w+", found)}
    plain = re.sub(r"\b(?:by|on) ?\([^)]*\)", "", plain)
    metrics: dict[str, set[str]] = {}
    for name, selector in re.findall(r"\b([a-z_]+)\b(?:\{([^}]*)\})?", re.sub(r'"[^"]*"', '""', plain)):
        if name not in WORDS and not re.search(rf"[{{,] *{name} *[=!]", plain):
            metrics.setdefault(name, set()).update(re.findall(r"(\w+) *(?:=|!)", selector))
    return {name: labels | grouped for name, labels in metrics.items()}


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return registered(tmp_path_factory.mktemp("server"))


def test_parser_finds_metrics_and_labels() -> None:
    """The test below would pass by finding none."""
    query = 'histogram_quantile(0.9, sum by (le, a) (rate(b_bucket{job="$job", c!="d"}[5m]))) / on (e) f{g=~"h|i"} > 2'
    assert used(query) == {"b_bucket": {"job", "c", "le", "a", "e"}, "f": {"g", "le", "a", "e"}}


@pytest.mark.parametrize("query", queries(), ids=plain_text)
def test_query_names_metrics_and_labels_that_exist(metrics: dict[str, str], query: str) -> None:
    """Of counters the total, of histograms buckets, sum and count."""
    found = used(query)
    assert found
    for name, labels in found.items():
        if name != UP:
            assert name in metrics, f"{query}: there is no metric {name}"
            own = documented_labels()[metrics[name]] | OF_SCRAPES | ({"le"} if name.endswith("_bucket") else set())
            assert labels <= own, f"{query}: {name} has no label {labels - own}"


def test_sum_of_counters_needs_none_of_them() -> None:
    """A counter with labels does not exist before it has counted, and a sum with one that does not exist is empty."""
    sums = [rule["expr"].split(" > ")[0].split(" + ") for rule in alert_rules() if " + " in rule["expr"]]
    assert sums
    for parts in sums:
        assert all("or vector(0)" in part for part in parts), parts


def test_each_metric_of_the_product_is_on_the_page(metrics: dict[str, str]) -> None:
    """And the page has no metric that a server does not have."""
    listed = {name for name in documented_labels() if name.startswith("scenewire_")}
    assert listed == {name for name in metrics.values() if name.startswith("scenewire_")}


def test_each_alert_names_a_section_that_says_what_to_do() -> None:
    """In this repository, where it can be read without a network."""
    rules = alert_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    for rule in rules:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor == f"alert-{rule['alert'].lower()}"
        text = (ROOT / page).read_text("utf-8")
        headings = [re.sub(r"[^\w\- ]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in _headings(text)]
        assert anchor in headings or f'id="{anchor}"' in text, f"{page} has no section for {rule['alert']}"
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def _headings(text: str) -> list[str]:
    return re.findall(r"^#+ .*$", text, re.MULTILINE)
