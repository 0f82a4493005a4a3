"""One remote secret under all its names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.reconcile.kit.remotekeys import below, names_read, names_told, prefixes_told

KV: dict[str, Any] = {"path": "secret", "version": "v2"}
SM = "arn:aws:secretsmanager:eu-west-1:123456789012:secret"
ARN = f"{SM}:prod/db-AbCdEf"


@pytest.mark.parametrize(
    ("provider", "block", "read", "told"),
    [
        pytest.param("fake", {}, "/a/b", "a/b", id="a slash in front"),
        pytest.param("vault", KV, "team/db", "secret/team/db", id="the mount is the store's path"),
        pytest.param("vault", KV, "secret/team/db", "secret/team/db", id="the mount is in the key as well"),
        pytest.param("vault", KV, "secret/data/team/db", "secret/team/db", id="the path of the API"),
        pytest.param("vault", KV, "data/team/db", "secret/team/db", id="half of the path of the API"),
        pytest.param("vault", {"path": "kv/data"}, "team/db", "kv/team/db", id="a path with the API's part"),
        pytest.param("vault", {}, "secret/data/team/db", "secret/team/db", id="no path: the first part is the mount"),
        pytest.param("vault", {}, "secret/team/db", "secret/team/db", id="no path, version 1"),
        pytest.param("openBao", {"path": "a/kv"}, "db", "a/kv/db", id="a mount in a folder"),
        pytest.param("vault", KV, "team/db", "team/db", id="an event that speaks as the spec does"),
        pytest.param("aws", {}, "prod/db", ARN, id="a name and an ARN"),
        pytest.param("aws", {}, ARN, "prod/db", id="an ARN and a name"),
        pytest.param("aws", {}, ARN.removesuffix("-AbCdEf"), ARN, id="an ARN without its suffix"),
        pytest.param("aws", {"prefix": "prod/"}, "db", ARN, id="the store puts a prefix in front"),
        pytest.param("aws", {"prefix": "prod/"}, "db", "db", id="an event that leaves the prefix out"),
        pytest.param("aws", {}, "/prod/db", "arn:aws:ssm:eu-west-1:1:parameter/prod/db", id="a parameter"),
        pytest.param(
            "aws", {}, "my-config", "arn:aws:secretsmanager:e:1:secret:my-config-AbCdEf", id="a suffix-like name"
        ),
        pytest.param("gcpsm", {}, "db", "projects/p/secrets/db", id="Google: a resource name"),
        pytest.param(
            "gcpsm", {}, "projects/p/secrets/db", "projects/p/locations/l/secrets/db/versions/3", id="a region"
        ),
        pytest.param("azurekv", {}, "secret/db", "db", id="Azure: the type is left out"),
        pytest.param("azurekv", {}, "cert/db", "cert/db", id="Azure: another type"),
    ],
)
def test_a_key_is_found_under_the_name_of_the_event(provider, block, read, told):
    assert names_read(provider, block, read) & names_told(provider, block, told)


@pytest.mark.parametrize(
    ("provider", "block", "read", "told"),
    [
        pytest.param("vault", KV, "team/db", "other/team/db", id="another mount"),
        pytest.param("vault", KV, "team/db", "secret/team/db2", id="a longer name"),
        pytest.param("vault", KV, "team/db", "secret/team", id="the folder"),
        pytest.param("aws", {}, "prod/db", ARN.replace("prod/db", "prod/db2"), id="another secret"),
        pytest.param("aws", {"prefix": "prod/"}, "db", "test/db", id="another prefix"),
        pytest.param("azurekv", {}, "key/db", "db", id="a key is no secret"),
        pytest.param("gcpsm", {}, "db", "projects/p/secrets/db2", id="another name"),
    ],
)
def test_another_secret_is_not(provider, block, read, told):
    assert not names_read(provider, block, read) & names_told(provider, block, told)


@pytest.mark.parametrize(
    ("prefix", "name", "inside"),
    [
        ("secret/team/", "team/db", True),
        ("team/", "team/db", True),
        ("team/", "team", True),
        ("team/", "teams/db", False),
        ("team", "teams/db", True),
        ("", "anything", True),
        ("/", "anything", True),
        ("other/", "team/db", False),
    ],
)
def test_a_prefix_covers_what_lies_below(prefix, name, inside):
    read = names_read("vault", KV, name)
    found = any(below(told, one) for told in prefixes_told("vault", KV, prefix) for one in read)
    assert found is inside


@given(st.sampled_from(["vault", "aws", "gcpsm", "azurekv", "fake", ""]), st.text(max_size=60), st.text(max_size=8))
def test_property_an_event_with_the_words_of_the_spec_is_heard(provider, key, mount):
    block = {"path": mount, "prefix": mount}
    assert names_read(provider, block, key) & names_told(provider, block, key)


@pytest.mark.parametrize("block", [{"path": 5}, {"prefix": None}, {"path": ["x"]}])
def test_a_block_of_another_form_is_no_reason_to_fail(block):
    assert names_told("vault", block, "a/b") and names_told("aws", block, "a/b")
