"""The hashes against values that another program computed from the text dumps."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.hashing import data_hash, field_manager, owner_hash, synced_resource_version
from eso.api.meta import ObjectMeta


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        pytest.param({}, "74a974446e359fb3e6baff9bd0058950e6edd0f040888d9989b0a11b", id="no data: map[]"),
        pytest.param(
            {"b": b"", "a": b"\x01\x02\xff"},
            "737aa2e720f04fdd495daf368f10c720ff5e9cc379d3d69435e58363",
            id="sorted keys, decimal bytes: map[a:[1 2 255] b:[]]",
        ),
    ],
)
def test_the_data_hash(data: dict[str, bytes], wanted: str) -> None:
    assert data_hash(data) == wanted


@given(st.dictionaries(st.text(st.characters(codec="ascii")), st.binary()))
def test_property_the_data_hash_is_over_the_dump_that_the_reference_makes(data: dict[str, bytes]) -> None:
    entries = []
    for key in sorted(data, key=lambda k: k.encode()):
        entries.append(key + ":[" + " ".join(str(byte) for byte in data[key]) + "]")
    assert data_hash(data) == hashlib.sha3_224(("map[" + " ".join(entries) + "]").encode()).hexdigest()


def test_the_owner_hash() -> None:
    """C-032"""
    assert owner_hash("ns", "test-es") == "7b0147dd24f7eca2d1a897b1e8a5b31350f729862132223cb1d4ea02"


@pytest.mark.parametrize(
    ("meta", "wanted"),
    [
        pytest.param(
            ObjectMeta(generation=1),
            "1-f47fe3c0b255b6dd8047cdffa772587bb829efe7a1cb70febeda2eb2",
            id="no metadata: {annotations:map[] labels:map[]}",
        ),
        pytest.param(
            ObjectMeta(generation=12, labels={"app": "x"}, annotations={"b": "2", "a": "1"}),
            "12-7a9d14fc4c98c8b2363ada4bb72d815002f918edc3da4746679c79ee",
            id="sorted: {annotations:map[a:1 b:2] labels:map[app:x]}",
        ),
    ],
)
def test_the_synced_resource_version(meta: ObjectMeta, wanted: str) -> None:
    assert synced_resource_version(meta) == wanted


def test_only_labels_and_annotations_are_hashed_and_the_generation_is_a_prefix() -> None:
    """C-052"""
    base = ObjectMeta(generation=1, labels={"a": "1"}, annotations={"b": "2"})
    same = ObjectMeta(name="x", uid="u", generation=2, finalizers=("f",), labels={"a": "1"}, annotations={"b": "2"})
    assert synced_resource_version(base).partition("-")[2] == synced_resource_version(same).partition("-")[2]
    assert synced_resource_version(base) != synced_resource_version(same)
    for other in (
        ObjectMeta(generation=1, labels={"a": "2"}, annotations={"b": "2"}),
        ObjectMeta(generation=1, labels={"b": "2"}, annotations={"a": "1"}),
    ):
        assert synced_resource_version(other) != synced_resource_version(base)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("test-es", "externalsecrets.external-secrets.io/test-es", id="C-134 a short name is plain"),
        pytest.param("a" * 27, "externalsecrets.external-secrets.io/" + "a" * 27, id="C-134 27 bytes are plain"),
        pytest.param(
            "a" * 28,
            "externalsecrets.external-secrets.io/sha3/52a6f48b37cd3535ef771a530c08d9cc4b78350ccdd33f2405e22ebb",
            id="C-134 28 bytes are hashed",
        ),
    ],
)
def test_the_field_manager(name: str, wanted: str) -> None:
    assert field_manager(name) == wanted
