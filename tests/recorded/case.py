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
FILES = {path.stem: path for path in FOLDER.glob("*/*.yaml")}
NAMES = tuple(sorted(FILES))

GENERATORS = "/apis/generators.external-secrets.io/v1alpha1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
KINDS = {
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps",
    "Event": "/api/v1/namespaces/{ns}/events",
    "Secret": "/api/v1/namespaces/{ns}/secrets",
    "ExternalSecret": "/apis/external-secrets.io/v1/namespaces/{ns}/externalsecrets",
    "SecretStore": "/apis/external-secrets.io/v1/namespaces/{ns}/secretstores",
    "ServiceAccount": "/api/v1/namespaces/{ns}/serviceaccounts",
    "PushSecret": "/apis/external-secrets.io/v1alpha1/namespaces/{ns}/pushsecrets",
    "ClusterExternalSecret": "/apis/external-secrets.io/v1/clusterexternalsecrets",
    "ClusterPushSecret": "/apis/external-secrets.io/v1alpha1/clusterpushsecrets",
    "ClusterSecretStore": "/apis/external-secrets.io/v1/clustersecretstores",
    "ClusterGenerator": f"{GENERATORS}/clustergenerators",
    "Fake": GENERATORS + "/namespaces/{ns}/fakes",
    "GeneratorState": GENERATORS + "/namespaces/{ns}/generatorstates",
    "GitlabDeployToken": GENERATORS + "/namespaces/{ns}/gitlabdeploytokens",
    "Grafana": GENERATORS + "/namespaces/{ns}/grafanas",
    "MFA": GENERATORS + "/namespaces/{ns}/mfas",
    "Password": GENERATORS + "/namespaces/{ns}/passwords",
    "SSHKey": GENERATORS + "/namespaces/{ns}/sshkeys",
    "VaultDynamicSecret": GENERATORS + "/namespaces/{ns}/vaultdynamicsecrets",
    "Webhook": GENERATORS + "/namespaces/{ns}/webhooks",
    "UUID": GENERATORS + "/namespaces/{ns}/uuids",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": RBAC + "/namespaces/{ns}/roles",
    "RoleBinding": RBAC + "/namespaces/{ns}/rolebindings",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Namespace": "/api/v1/namespaces",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Objects are applied, then patches are sent, then objects are deleted; each entry of `wait` has to come true, and
    then nothing may change for `quiet` seconds. `http` replaces some answers of the case's server before all that, and
    `reset` makes the server forget what it was asked."""

    http: Json
    reset: bool
    apply: tuple[Json, ...]
    patch: tuple[Json, ...]
    delete: tuple[Json, ...]
    wait: tuple[Json, ...]
    quiet: float


@dataclass(frozen=True, slots=True)
class Case:
    """`recorded` has one snapshot per step. `kinds` are the kind → URL path of what the case touches, `watch` and
    `specs` the kinds that a snapshot shows beyond the usual ones, and those with their spec. Paths that match a pattern
    of `ignore` differ by chance. `http` are the answers of the case's server, None if it has none."""

    name: str
    about: str
    steps: tuple[Step, ...]
    recorded: tuple[Json, ...]
    kinds: dict[str, str]
    watch: tuple[str, ...]
    specs: tuple[str, ...]
    ignore: tuple[str, ...]
    labels: dict[str, str]
    http: Json | None = None

    @property
    def namespace(self) -> str:
        """Fixed: the recorded hashes are made of it."""
        return f"r-{self.name}"

    def path(self, kind: str, namespace: str, name: str = "") -> str:
        return self.kinds[kind].format(ns=namespace) + (f"/{name}" if name else "")


def load(name: str) -> Case:
    """Raises OSError and KeyError for what is no case."""
    content: Json = yaml.load(FILES[name].read_text(), yaml.CSafeLoader)
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
        http=content.get("http"),
    )


def step(content: Json) -> Step:
    unknown = content.keys() - {"http", "httpReset", "apply", "patch", "delete", "wait", "quiet"}
    assert not unknown, f"a step cannot say {sorted(unknown)}"
    actions = {name: tuple(content.get(name, ())) for name in ("apply", "patch", "delete", "wait")}
    http, reset = content.get("http", {}), content.get("httpReset", False)
    return Step(http=http, reset=reset, **actions, quiet=float(content.get("quiet", 1.5)))
