"""Which namespaces get a child: a spec and the labels of all namespaces → names.

Neighbours: reconcile.py asks in every pass, triggers.py for a single namespace that moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eso.api.clusterpushsecret import ClusterPushSecretSpec
from eso.api.labels import InvalidSelector, check, fits, matches


def chosen(spec: ClusterPushSecretSpec, namespaces: Iterable[tuple[str, Mapping[str, str]]]) -> list[str]:
    """The names that any selector matches, sorted; `namespaces` are (name, labels). A spec without selectors matches
    none. Raises InvalidSelector, also when there is no namespace to look at."""
    for selector in spec.namespace_selectors:
        check(selector)
    return sorted(name for name, labels in namespaces if any(fits(one, labels) for one in spec.namespace_selectors))


def concerns(spec: ClusterPushSecretSpec, labels: Mapping[str, str]) -> bool:
    """For a trigger: a selector that is none concerns nobody, its pass has told so."""
    try:
        return any(matches(selector, labels) for selector in spec.namespace_selectors)
    except InvalidSelector:
        return False
