"""Which namespaces get a child: a spec and the labels of all namespaces → names.

Neighbours: reconcile.py asks in every pass, triggers.py for a single namespace that moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eso.api.clusterexternalsecret import ClusterExternalSecretSpec
from eso.api.labels import InvalidSelector, check, matches

NAMESPACE_NAME = "kubernetes.io/metadata.name"


def chosen(spec: ClusterExternalSecretSpec, namespaces: Iterable[tuple[str, Mapping[str, str]]]) -> list[str]:
    """The names that any part of `spec` matches, sorted; `namespaces` are (name, labels). A spec without parts matches
    none. Raises InvalidSelector, also when there is no namespace to look at."""
    for selector in spec.selectors:
        check(selector)
    return sorted(name for name, labels in namespaces if matched(spec, labels))


def matched(spec: ClusterExternalSecretSpec, labels: Mapping[str, str]) -> bool:
    """True for a namespace with these labels. A name is matched by the label that the API server puts on each
    namespace. Raises InvalidSelector."""
    if labels.get(NAMESPACE_NAME, "") in spec.namespaces and labels.get(NAMESPACE_NAME):
        return True
    return any(matches(selector, labels) for selector in spec.selectors)


def concerns(spec: ClusterExternalSecretSpec, labels: Mapping[str, str]) -> bool:
    """`matched` for a trigger: a selector that is none concerns nobody, its pass has told so."""
    try:
        return matched(spec, labels)
    except InvalidSelector:
        return False
