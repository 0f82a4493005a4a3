from __future__ import annotations

from typing import Any

import pytest

from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import ObjectMeta
from eso.reconcile.kit.owners import (
    bound_to,
    controlled_by,
    controller_of,
    controller_reference,
    last_manager,
    owned_keys,
    refers_to,
)

OURS = controller_reference(EXTERNAL_SECRETS, ObjectMeta(name="one", namespace="ns", uid="u1"))


def test_the_reference_that_makes_an_object_the_controller():
    assert OURS == {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "name": "one",
        "uid": "u1",
        "controller": True,
        "blockOwnerDeletion": True,
    }


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"apiVersion": "external-secrets.io/v1beta1"}, True),
        ({"uid": "another"}, True),
        ({"apiVersion": "example.com/v1"}, False),
        ({"apiVersion": "v1"}, False),
        ({"kind": "PushSecret"}, False),
        ({"name": "two"}, False),
    ],
    ids=[
        "our own reference",
        "the version does not matter",
        "the uid does not matter",
        "another group",
        "the core group",
        "another kind",
        "another name",
    ],
)
def test_which_object_a_reference_names(changes: dict[str, Any], same: bool):
    reference = OURS | changes
    assert refers_to(reference, EXTERNAL_SECRETS, "one") is same
    assert bound_to({"metadata": {"ownerReferences": [reference]}}, EXTERNAL_SECRETS, "one") is same


def test_only_the_controller_counts_as_the_owner():
    plain = {k: v for k, v in OURS.items() if k != "controller"}
    live = {"metadata": {"ownerReferences": [plain]}}
    assert controller_of(live["metadata"]) is None
    assert not bound_to(live, EXTERNAL_SECRETS, "one") and not controlled_by(live, "u1")
    assert controlled_by({"metadata": {"ownerReferences": [plain, OURS]}}, "u1")
    assert not controlled_by({"metadata": {"ownerReferences": [OURS]}}, "u2")
    assert not controlled_by({"metadata": {}}, "u1")


FIELDS: dict[str, Any] = {
    "managedFields": [
        {"manager": "we", "time": "2026-05-01T12:00:00Z", "fieldsV1": {"f:data": {".": {}, "f:a": {}, "f:b": {}}}},
        {"manager": "they", "time": "2026-05-01T12:00:01Z", "fieldsV1": {"f:data": {"f:c": {}}}},
        {"manager": "we", "time": "2026-05-01T12:00:02Z", "subresource": "status", "fieldsV1": {"f:data": {"f:d": {}}}},
    ]
}


def test_managed_fields_tell_whose_a_key_is_and_who_wrote_last():
    assert sorted(owned_keys(FIELDS, "we", "f:data")) == ["a", "b"]
    assert list(owned_keys(FIELDS, "we", "f:metadata", "f:labels")) == []
    assert last_manager(FIELDS) == "they"
    assert last_manager({}) == ""
