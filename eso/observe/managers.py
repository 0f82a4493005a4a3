"""Field managers that a metric may name. Anybody who may write an object chooses the name of its manager: what is not
known here is `other`, so that nobody makes series.

Neighbours: metrics.py asks. Events and records name every manager as it is.
"""

from __future__ import annotations

from typing import Final

OTHER: Final = "other"
KUBECTL: Final = (
    *("annotate", "apply", "autoscale", "client-side-apply", "create", "edit", "expose", "label", "last-applied"),
    *("patch", "replace", "rollout", "run", "scale", "set", "taint"),
)
KNOWN: Final = frozenset(
    {
        "",  # ours, or not known
        "deleted",  # the object was not changed but removed
        "kubectl",
        *(f"kubectl-{verb}" for verb in KUBECTL),
        "before-first-apply",
        *("argocd", "argocd-application-controller", "argocd-controller"),
        *("flux", "helm-controller", "kustomize-controller"),
        *("helm", "Helm", "Terraform", "HashiCorp", "pulumi-kubernetes", "crossplane", "rancher", "fleet-agent"),
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "cluster-policy-controller"),
        *("cert-manager", "cert-manager-certificates-issuing", "cert-manager-certificates-trigger"),
        *("external-secrets", "vault-secrets-operator", "kubeseal", "reflector", "kubed", "kyverno"),
        *("OpenAPI-Generator", "fabric8-kubernetes-client", "node-fetch", "dashboard", "k9s", "lens", "curl"),
    }
)


def shown(manager: str) -> str:
    return manager if manager in KNOWN else OTHER
