"""Alerts and the dashboard ask for what a scrape shows: every series that they name is there when the trouble is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from eso.observe.metrics import Metrics
from eso.runtime.outcome import Lane

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "manifests" / "monitoring"
RULES = {
    rule["alert"]: rule
    for rule in yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]["groups"][0]["rules"]
}
BOARD = json.loads((MONITORING / "dashboard.json").read_text())
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
# a series with its matchers; what stands before a parenthesis is a function, `by (…)` holds labels
KINDS = r"(?:cluster)?(?:externalsecret|secretstore|pushsecret)s?"
OURS = rf"(?:{KINDS}|controller_runtime|workqueue|rest_client|leader|process)_\w+"
SERIES = re.compile(rf"\b({OURS})\b(?:\{{([^}}]*)\}})?")
MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')
SCRAPED = {"job", "pod", "instance", "service"}  # labels that Prometheus adds
KEY = ("shop", "app")


@dataclass(frozen=True)
class Queue:
    """A work queue with one key ready and one that waits for a gate."""

    ready: Mapping[Lane, int] = field(default_factory=lambda: {Lane.EVENT: 1})
    parked: Mapping[str, int] = field(default_factory=lambda: {"endpoint:vault:https://vault.example@shop": 1})
    scheduled: int = 1
    oldest_overdue_seconds: float = 600.0
    longest_running_seconds: float = 1.0
    unfinished_seconds: float = 1.0


def troubled() -> Metrics:
    """A process in which everything that there is an alert for has happened."""
    metrics = Metrics()
    synced, failed = metrics.external_secrets(store_of=lambda key: "vault"), ("shop", "failed")
    synced.ready(KEY, "True")
    synced.passed(KEY, 0.1)
    synced.ready(failed, "False")
    synced.errored(failed)
    synced.passed(failed, 0.1)
    synced.drifted(KEY, "kubectl-edit")
    for kind in ("secretstore", "clustersecretstore", "pushsecret", "clusterpushsecret", "clusterexternalsecret"):
        meter = metrics.objects(kind)
        meter.ready(KEY, "False")
        meter.passed(KEY, 0.1)
        meter.ready(("shop", "vault"), "True")
    metrics.auth_failure("vault", "shop", "SecretStore")
    metrics.provider_call("HashiCorp/Vault", "Login", "error", 0.1)
    metrics.read("vault", "call")
    metrics.api_request(200, "GET", "api")
    metrics.leading("external-secrets-controller", True)
    metrics.breached("loop lag")
    metrics.gates(lambda: {"endpoint:vault:https://vault.example@shop": "closed"})
    metrics.watchdog(lambda: {"loop lag": 0.1})
    metrics.watches(lambda: {"secrets": 1.0})
    metrics.secrets(lambda: {"vault": 1})
    metrics.serving_certificate(lambda: 1.0)
    metrics.webhook(["/validate"]).answered("/validate", 500, 0.1)
    metrics.running(lambda: {"externalsecret": False})
    controller = metrics.controller("externalsecret", 1)
    controller.observe(lambda: Queue(), lambda: 0)
    controller.passed("success", 0.1)
    controller.finished(0.1)
    controller.started(0.1)
    return metrics


@pytest.fixture(scope="module")
def shown() -> set[tuple[str, frozenset[tuple[str, str]]]]:
    metrics = troubled()
    text = metrics.render(metrics.freeze()).decode()
    declared = set(re.findall(r"^(\w+)", text, re.MULTILINE))
    found = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:  # the parser adds _total to counters of the reference that have none
            name = sample.name if sample.name in declared else sample.name.removesuffix("_total")
            found.add((name, frozenset(sample.labels.items())))
    return found


def meets(labels: dict[str, str], matchers: list[tuple[str, str, str]]) -> bool:
    for label, operator, value in matchers:
        if label in SCRAPED or "$" in value:
            if label not in SCRAPED and label not in labels:
                return False
        elif (
            label not in labels
            or {
                "=": labels[label] != value,
                "!=": labels[label] == value,
                "=~": not re.fullmatch(value, labels[label]),
            }[operator]
        ):
            return False
    return True


def unseen(expression: str, shown: set[tuple[str, frozenset[tuple[str, str]]]]) -> list[str]:
    """Series of the expression that no sample belongs to."""
    missing = []
    for name, text in SERIES.findall(expression):
        matchers = MATCHER.findall(text)
        if not any(each == name and meets(dict(labels), matchers) for each, labels in shown):
            missing.append(f"{name}{{{text}}}")
    return missing


def labels_of(expression: str) -> set[str]:
    return {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")}


@pytest.mark.parametrize("alert", RULES)
def test_what_an_alert_asks_for_is_shown_when_the_trouble_is_there(alert: str, shown) -> None:
    expression = RULES[alert]["expr"]
    assert SERIES.findall(expression)
    assert unseen(expression, shown) == []


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_groups_by_labels_that_its_series_have_and_words_only_those(alert: str, shown) -> None:
    rule = RULES[alert]
    known = {
        label
        for name, labels in shown
        for label, _ in labels
        if name in {each for each, _ in SERIES.findall(rule["expr"])}
    }
    assert labels_of(rule["expr"]) <= known
    worded = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
    assert worded <= labels_of(rule["expr"])


def test_the_dashboard_asks_for_nothing_that_is_not_shown(shown) -> None:
    expressions = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    expressions += [one["definition"] for one in BOARD["templating"]["list"] if one["type"] == "query"]
    assert len(expressions) > 30
    missing = [each for expression in expressions for each in unseen(expression, shown)]
    assert missing == []


def test_the_dashboard_has_its_rows_and_no_panel_lies_on_another() -> None:
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows[:5] == ["Fleet", "Stores and gates", "Freshness", "Drift", "One object"]
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_has_a_section_in_the_runbook(alert: str) -> None:
    assert RULES[alert]["annotations"]["runbook"] == f"docs/runbook.md#{alert.lower()}"
    section = re.search(rf"^## {alert}\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section, "no section"
    commands = re.findall(r"^ {4}(\S.*)$", section[1], re.MULTILINE)
    assert len(commands) == 3
    assert "**Do not**" in section[1]


def test_the_runbook_has_no_section_without_an_alert() -> None:
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == set(RULES)
