"""Secrets in which others keep records or tokens are neither taken over nor written into."""

from __future__ import annotations

import pytest

from eso.reconcile.externalsecret.desired import Nothing, Patch, desired
from eso.reconcile.externalsecret.manifest import desired_manifest
from eso.reconcile.externalsecret.stage import Stage
from tests.unit.reconcile.objects import blank_secret, es, fails, reference, target

DATA = {"a": b"1"}
LIVE = {"uid": "uid-live", "resourceVersion": "7"}
TYPES = [
    "helm.sh/release.v1",
    "helm.sh/release.v9",
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("policy", ["Owner", "Orphan", "Merge", "CreateOrMerge"])
def test_a_secret_of_a_type_that_others_own_is_left_alone(kind: str, policy: str) -> None:
    live = {**blank_secret({"theirs": "x"}, **LIVE), "type": kind}
    with fails(Stage.CLAIM, "no ExternalSecret writes it"):
        desired(es(target=target(policy)), live, DATA, {})


@pytest.mark.parametrize("kind", TYPES)
def test_not_even_where_somebody_put_our_label_on_it(kind: str) -> None:
    labels = {"reconcile.external-secrets.io/managed": "true"}
    live = {**blank_secret({"theirs": "x"}, labels=labels, **LIVE), "type": kind}
    with fails(Stage.CLAIM):
        desired(es(target=target("Merge")), live, DATA, {})


def test_a_manifest_target_that_is_a_secret_is_no_way_around_it() -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret"}
    live = {**blank_secret({"theirs": "x"}, **LIVE), "type": "helm.sh/release.v1"}
    with fails(Stage.CLAIM):
        desired_manifest(es(target=target("Merge", manifest=manifest)), live, DATA, {})


def test_what_this_object_controls_is_its_own_whatever_its_type() -> None:
    live = {**blank_secret({"a": "0"}, ownerReferences=[reference()], **LIVE), "type": "helm.sh/release.v1"}
    assert isinstance(desired(es(target=target()), live, DATA, {}), Patch)


@pytest.mark.parametrize("kind", ["Opaque", "kubernetes.io/tls", "example.com/helm.sh/release.v1", "helm.shop/x"])
def test_other_types_are_adopted_as_before(kind: str) -> None:
    live = {**blank_secret({"a": "0"}, **LIVE), "type": kind}
    assert isinstance(desired(es(target=target("Merge")), live, DATA, {}), Patch)


def test_a_policy_that_writes_nothing_has_nothing_to_refuse() -> None:
    live = {**blank_secret({"theirs": "x"}, **LIVE), "type": "helm.sh/release.v1"}
    assert desired(es(target=target("None")), live, DATA, {}) == Nothing()
