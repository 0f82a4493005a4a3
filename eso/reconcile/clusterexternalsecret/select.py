"""Which namespaces get a child: a spec and the labels of all namespaces → names.

Neighbours: reconcile.py asks in every pass, triggers.py for a single namespace that moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eso.api.clusterexternalsecret import ClusterExternalSecretSpec
from eso.api.labels import InvalidSelector, check, fits, matches

NAMESPACE_NAME = "kubernetes.io/metadata.name"


def chosen(spec: ClusterExternalSecretSpec, namespaces: Iterable[tuple[str, Mapping[str, str]]]) -> list[str]:
    """The names that any part of `spec` matches, sorted; `namespaces` are (name, labels). A spec without parts matches
    none. Raises InvalidSelector, also when there is no namespace to look at."""
    for selector in spec.selectors:
        check(selector)
    return sorted(name for name, labels in namespaces if named(spec, labels) or selected(spec, labels))


def matched(spec: ClusterExternalSecretSpec, labels: Mapping[str, str]) -> bool:
    """True for a namespace with these labels. Raises InvalidSelector."""
    return named(spec, labels) or any(matches(one, labels) for one in spec.selectors)


def selected(spec: ClusterExternalSecretSpec, labels: Mapping[str, str]) -> bool:
    """By selectors that were checked."""
    return any(fits(one, labels) for one in spec.selectors)


def named(spec: ClusterExternalSecretSpec, labels: Mapping[str, str]) -> bool:
    """A name is matched by the label that the API server puts on each namespace."""
    name = labels.get(NAMESPACE_NAME, "")
    return bool(name) and name in spec.namespaces


def concerns(spec: ClusterExternalSecretSpec, labels: Mapping[str, str]) -> bool:
    """`matched` for a trigger: a selector that is none concerns nobody, its pass has told so."""
    try:
        return matched(spec, labels)
    except InvalidSelector:
        return False
