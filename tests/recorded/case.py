"""One recorded case: what a user does, step by step, and what the namespace looked like after each step.

Neighbours: replay.py does the steps, differences.py compares. README.md describes the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

FOLDER = Path(__file__).with_name("cases")
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))

KINDS = {
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps",
    "Event": "/api/v1/namespaces/{ns}/events",
    "Secret": "/api/v1/namespaces/{ns}/secrets",
    "ExternalSecret": "/apis/external-secrets.io/v1/namespaces/{ns}/externalsecrets",
    "SecretStore": "/apis/external-secrets.io/v1/namespaces/{ns}/secretstores",
    "ClusterSecretStore": "/apis/external-secrets.io/v1/clustersecretstores",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Namespace": "/api/v1/namespaces",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Objects are applied, then patches are sent, then objects are deleted; each entry of `wait` has to come true, and
    then nothing may change for `quiet` seconds."""

    apply: tuple[Json, ...]
    patch: tuple[Json, ...]
    delete: tuple[Json, ...]
    wait: tuple[Json, ...]
    quiet: float


@dataclass(frozen=True, slots=True)
class Case:
    """`recorded` has one snapshot per step. `kinds` are the kind → URL path of what the case touches, `watch` and
    `specs` the kinds that a snapshot shows beyond the usual ones, and those with their spec. Paths that match a pattern
    of `ignore` differ by chance."""

    name: str
    about: str
    steps: tuple[Step, ...]
    recorded: tuple[Json, ...]
    kinds: dict[str, str]
    watch: tuple[str, ...]
    specs: tuple[str, ...]
    ignore: tuple[str, ...]
    labels: dict[str, str]

    @property
    def namespace(self) -> str:
        """Fixed: the recorded hashes are made of it."""
        return f"r-{self.name}"

    def path(self, kind: str, namespace: str, name: str = "") -> str:
        return self.kinds[kind].format(ns=namespace) + (f"/{name}" if name else "")


def load(name: str) -> Case:
    """Raises OSError and KeyError for what is no case."""
    content: Json = yaml.load((FOLDER / f"{name}.yaml").read_text(), yaml.CSafeLoader)
    return Case(
        name=name,
        about=content["about"],
        steps=tuple(map(step, content["steps"])),
        recorded=tuple(content["recorded"]),
        kinds=KINDS | content.get("kinds", {}),
        watch=tuple(content.get("watch", ())),
        specs=tuple(content.get("specs", ())),
        ignore=tuple(content.get("ignore", ())),
        labels=content.get("namespaceLabels", {}),
    )


def step(content: Json) -> Step:
    unknown = content.keys() - {"apply", "patch", "delete", "wait", "quiet"}
    assert not unknown, f"a step cannot say {sorted(unknown)}"
    actions = {name: tuple(content.get(name, ())) for name in ("apply", "patch", "delete", "wait")}
    return Step(**actions, quiet=float(content.get("quiet", 1.5)))
