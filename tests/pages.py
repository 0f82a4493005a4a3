"""`python -m tests.pages` writes the pages of docs/ that are made from code.

Neighbours: tests/unit/app/test_flags_page.py and tests/unit/observe/test_metrics_page.py hold the pages to the code.
"""

from __future__ import annotations

import re
from typing import Final

from e2e.harness.cluster import REPO
from eso.app.flags import usage
from eso.app.main import SETTINGS
from eso.observe.metrics import Metrics
from eso.runtime.outcome import Lane
from eso.runtime.queuestate import Snapshot

FLAGS = REPO / "docs" / "flags.md"
HEAD = """# Flags

Written by `make docs`; do not edit. Defaults are the reference's, or there is a line in
[compatibility](compatibility.md).
A DURATION is written as 300ms, 15s, 5m or 1h30m. `eso render`, `eso doctor` and `eso notify` tell theirs with `--help`.
"""


def flags() -> str:
    blocks = [f"\n## `eso {command}`\n\n```text\n{usage(settings)}\n```\n" for command, settings in SETTINGS.items()]
    return HEAD + "".join(blocks)


METRICS: Final = REPO / "docs" / "metrics.md"
METRICS_HEAD = """# Metrics

Written by `make docs`; do not edit. Names, types and labels that the reference has are the reference's; names that
begin with `externalsecrets_` are ours. The operator, the webhook and the cert controller serve theirs at `/metrics`
of `--metrics-addr` (`:8080`); `--metrics-secure` and `--metrics-auth` protect them. What to make of them: the
alerts of `manifests/monitoring/rules.yaml` ([runbook](runbook.md)), and `manifests/monitoring/dashboard.json`.

* `..._reconcile_duration` counts **nanoseconds**, as in the reference. Everything else says its unit in its name.

* `..._status_condition` has two series for each object, `status="True"` and `status="False"`: the one that holds is
  1, the other one 0. A deleted ExternalSecret has `condition="Deleted",status="False"` at 1 for ten minutes, then
  no series.
* Objects without a namespace have `namespace=""`.
* `--enable-extended-metric-labels` gives the metrics of the first table that are not ours alone the labels
  `app_kubernetes_io_name`, `_instance`, `_version`, `_component`, `_part_of` and `_managed_by`, from the object's
  own labels.
* A controller that is switched off, or whose CRD is not there, has no series.
* `provider` and `call` of provider calls are the reference's words where it has some (`HashiCorp/Vault`,
  `ReadSecretData`); calls that failed are counted too.
* Labels that people may choose freely are bounded: an unknown field manager is `other`, and so is a store's name
  beyond ten of one namespace. `go_*` is missing: this is no Go program.
"""
SECTIONS: Final = {
    "Objects": r"(cluster)?(externalsecret|secretstore|pushsecret)_(?!provider)|externalsecrets_(sync|secrets|drift)_?",
    "Backends": r"externalsecret_provider|externalsecrets_(provider|reads|store|gate)",
    "Controllers and queues": r"controller_runtime_(?!webhook)|workqueue|externalsecrets_(queue|controller)",
    "API server and Lease": r"rest_client|leader_election|externalsecrets_watch_age",
    "Change events": r"externalsecrets_(change|events)",
    "Admission webhook": r"controller_runtime_webhook|certwatcher|externalsecrets_serving",
    "Process": r"process|externalsecrets_(loop|watchdog|memory|scrape)",
}


def every_metric() -> Metrics:
    """All that any of the three processes has."""
    metrics = Metrics()
    metrics.external_secrets()
    for kind in ("clusterexternalsecret", "secretstore", "clustersecretstore", "pushsecret", "clusterpushsecret"):
        metrics.objects(kind)
    metrics.controller("externalsecret", 1).observe(lambda: Snapshot({lane: 0 for lane in Lane}, 0, 0), lambda: 0)
    metrics.webhook(["/validate"])
    metrics.certificate_read(True)
    metrics.serving_certificate(lambda: 0.0)
    for gauge in (metrics.secrets, metrics.gates, metrics.watchdog, metrics.watches, metrics.running):
        gauge(dict)
    metrics.memory(dict, lambda: 0)
    return metrics


def metrics() -> str:
    """Raises ValueError for a metric that has no place on the page, or two."""
    rows: dict[str, list[str]] = {section: [] for section in SECTIONS}
    for name, kind, text, labels in sorted(every_metric().described()):
        places = [section for section, names in SECTIONS.items() if re.match(names, name)]
        if len(places) != 1:
            raise ValueError(f"{name} belongs to {places}")
        shown = ", ".join(f"`{label}`" for label in labels)
        rows[places[0]].append(f"| `{name}` | {kind} | {shown} | {text.rstrip('.')} |\n")
    tables = [
        f"\n## {name}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n" + "".join(found)
        for name, found in rows.items()
    ]
    return METRICS_HEAD + "".join(tables)


if __name__ == "__main__":
    FLAGS.write_text(flags())
    METRICS.write_text(metrics())
