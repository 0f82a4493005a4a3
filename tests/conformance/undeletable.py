"""A namespace whose Secrets nobody may delete for a while: the API server refuses, whoever asks.

Neighbours: cases about failing deletions use it, and those that must keep the garbage collector away from a dangling
owner reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from e2e.harness.cluster import ApiRefused, Json
from tests.conformance.conftest import Case

ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@contextmanager
def undeletable_secrets(case: Case) -> Iterator[None]:
    """An admission policy of the API server, in force when the block begins and gone when it ends."""
    name = f"undeletable-{case.namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["secrets"]}
    here: Json = {"matchLabels": {"kubernetes.io/metadata.name": case.namespace}}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "this Secret stays"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": here}}
    bodies = {
        "validatingadmissionpolicies": {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "spec": policy,
        },
        "validatingadmissionpolicybindings": {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": binding,
        },
    }
    for plural, body in bodies.items():
        case.api.request("POST", f"{ADMISSION}/{plural}", body | {"metadata": {"name": name}})
    try:
        case.foreign_secret("probe")

        def in_force() -> bool:
            try:
                case.api.request("DELETE", f"{case.api.path('secrets', case.namespace, 'probe')}?dryRun=All")
            except ApiRefused as refused:
                return "this Secret stays" in str(refused)
            return False

        case.eventually(in_force, within=30, what="the admission policy is in force")
        yield
    finally:
        for plural in bodies:
            case.api.request("DELETE", f"{ADMISSION}/{plural}/{name}")
