"""Replies of Secret Manager as bytes, and what a push makes of a secret."""

from __future__ import annotations

import base64
import json
from typing import Any

import google_crc32c
import pytest

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, Malformed, RemoteRef
from eso.providers.gcpsm import codec
from eso.providers.gcpsm.codec import Marks, Secret, Value


def reply(data: bytes, **changes: Any) -> bytes:
    payload = {"data": base64.b64encode(data).decode(), "dataCrc32c": str(google_crc32c.value(data))}
    return json.dumps({"name": "projects/1/secrets/a/versions/1", "payload": payload | changes}).encode()


def test_a_payload_is_what_its_checksum_says() -> None:
    assert codec.value_of(reply(b"\x00\xff")).data == b"\x00\xff"
    assert codec.value_of(reply(b"x", dataCrc32c=None)).data == b"x"
    with pytest.raises(Malformed, match="does not match its checksum"):
        codec.value_of(reply(b"x", dataCrc32c="1"))
    assert codec.value_of(b'{"payload":{}}').data == b""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no payload"),
        pytest.param(b'{"payload":null}', id="null"),
        pytest.param(b'{"payload":"x"}', id="text for a payload"),
        pytest.param(b'{"payload":{"data":7}}', id="a number for the data"),
        pytest.param(b'{"payload":{"data":["eA=="]}}', id="a list for the data"),
        pytest.param(b'{"payload":{"data":"\xc3\xa9"}}', id="letters that are no base64"),
        pytest.param(b'{"payload":{"data":"eA"}}', id="base64 that is cut off"),
        pytest.param(b'{"payload":' + b"[" * 100_000, id="brackets without end"),
    ],
)
def test_a_reply_of_another_form_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        codec.value_of(body)


DOCUMENT = b'{"a":{"b":"deep","n":1.50},"a.b":"dotted",".c":"front","<":"&","l":[1, 2],"null":null}'


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("", DOCUMENT, id="without a property the payload"),
        pytest.param("a.b", b"dotted", id="a member whose name has the dot wins"),
        pytest.param("a.n", b"1.5", id="a path otherwise, numbers as doubles"),
        pytest.param("l", b"[1, 2]", id="an array as it is written"),
        pytest.param("null", b"", id="null is empty"),
    ],
)
def test_a_property(name: str, found: bytes) -> None:
    assert Value(DOCUMENT).bytes(RemoteRef("k", name)) == found


@pytest.mark.parametrize(
    ("data", "name", "text"),
    [
        pytest.param(b"", "", "invalid secret received. no secret string for key: k", id="an empty payload"),
        pytest.param(b"not json", "a", "unable to unmarshal secret from JSON: %w", id="a payload that is no JSON"),
        pytest.param(DOCUMENT, "nope", "key nope does not exist in secret k", id="a property that is not there"),
        pytest.param(DOCUMENT, ".c", "key .c does not exist in secret k", id="a dot in front is not escaped"),
    ],
)
def test_a_value_that_cannot_be_given(data: bytes, name: str, text: str) -> None:
    with pytest.raises(EsoError) as failed:
        Value(data).bytes(RemoteRef("k", name))
    assert str(failed.value) == text


def test_members_are_raw() -> None:
    value = Value(b'{"n": 1.50, "t": "x\\u00e9", "o": {"b": [1,  2]}, "z": null, "n": 2.0}')
    assert codec.mapping(value, RemoteRef("k")) == {
        "n": b"2.0",
        "t": "xé".encode(),
        "o": b'{"b": [1,  2]}',
        "z": b"",
    }
    with pytest.raises(EsoError, match=r"^unable to unmarshal secret from JSON: ") as failed:
        codec.mapping(Value(b'"planted-text"'), RemoteRef("k"))
    assert "planted" not in str(failed.value)


MARKS = Marks({"team": "a", "x.y/z": "<1>"}, None)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("", b'{"annotations":null,"labels":{"team":"a","x.y/z":"\\u003c1\\u003e"}}', id="both"),
        pytest.param("labels", b'{"team":"a","x.y/z":"\\u003c1\\u003e"}', id="all labels"),
        pytest.param("annotations", b"null", id="a secret without annotations"),
        pytest.param("labels.team", b"a", id="a label"),
        pytest.param("labels.x.y/z", b"<1>", id="a label with dots and a slash"),
    ],
)
def test_metadata(name: str, found: bytes) -> None:
    assert MARKS.bytes(RemoteRef("k", name, metadata_policy="Fetch")) == found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("labels.no", "label with key no does not exist in secret k", id="no such label"),
        pytest.param("annotations.a", "annotation with key a does not exist in secret k", id="no such annotation"),
        pytest.param(
            "other",
            "invalid property other: metadata property should start with either annotations or labels",
            id="neither of the two",
        ),
        pytest.param(
            "labelsx.a",
            "invalid property labelsx.a: metadata property should start with either annotations or labels",
            id="a name that only begins alike",
        ),
    ],
)
def test_metadata_that_is_not_there(name: str, text: str) -> None:
    with pytest.raises(EsoError) as failed:
        MARKS.bytes(RemoteRef("k", name, metadata_policy="Fetch"))
    assert str(failed.value) == text


@pytest.mark.parametrize(
    "body", [b'{"labels":[]}', b'{"labels":{"a":1}}', b'{"annotations":"x"}', b'{"labels":{"a":{"b":"c"}}}', b"7"]
)
def test_marks_of_another_form_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        codec.marks_of(body)


def test_short_names_lose_the_project_and_the_location() -> None:
    body = (
        b'{"secrets":[{"name":"projects/1/secrets/a"},{"name":"projects/1/locations/l/secrets/b"}],"nextPageToken":"t"}'
    )
    assert codec.secrets_page(body) == (["a", "b"], "t")
    assert codec.secrets_page(b"{}") == ([], "")


@pytest.mark.parametrize(
    "body",
    [
        b'{"secrets":{}}',
        b'{"secrets":["projects/1/secrets/a"]}',
        b'{"secrets":[{"name":"projects/1/other/x"}]}',
        b'{"secrets":[{"name":"projects/1/secrets/"}]}',
        b'{"secrets":[{"name":7}]}',
        b'{"secrets":[],"nextPageToken":7}',
    ],
)
def test_a_list_of_another_form_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        codec.secrets_page(body)


def versions(*pairs: tuple[str, str]) -> bytes:
    found = [{"name": f"projects/1/secrets/a/versions/{number}", "createTime": time} for number, time in pairs]
    return json.dumps({"versions": found}).encode()


def test_the_newest_version_is_found_by_its_time_to_the_nanosecond() -> None:
    found, _ = codec.versions_page(
        versions(
            ("3", "2026-01-02T00:00:00.5Z"), ("2", "2026-01-02T00:00:00.123456789Z"), ("1", "2026-01-02T00:00:00Z")
        )
    )
    assert max(found)[2] == 3
    assert min(found)[2] == 1


@pytest.mark.parametrize(
    "pair", [("1/../../x", "2026-01-02T00:00:00Z"), ("1", "yesterday"), ("latest", "2026-01-02T00:00:00Z")]
)
def test_a_version_that_is_none_is_malformed(pair: tuple[str, str]) -> None:
    with pytest.raises(Malformed):
        codec.versions_page(versions(pair))


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        pytest.param({}, {"automatic": {}}, id="everywhere"),
        pytest.param(
            {"cmekKeyName": "k"},
            {"automatic": {"customerManagedEncryption": {"kmsKeyName": "k"}}},
            id="everywhere, with a key",
        ),
        pytest.param(
            {"replicationLocation": "a"}, {"userManaged": {"replicas": [{"location": "a"}]}}, id="the older field"
        ),
        pytest.param(
            {"replicationLocation": "a", "replicationLocations": ["b", "c"], "cmekKeyName": "k"},
            {
                "userManaged": {
                    "replicas": [
                        {"location": name, "customerManagedEncryption": {"kmsKeyName": "k"}} for name in ("b", "c")
                    ]
                }
            },
            id="the list wins over the older field",
        ),
    ],
)
def test_replication_of_a_new_secret(metadata: dict[str, Any], found: dict[str, Any]) -> None:
    assert codec.replication(metadata) == found


OURS = {"managed-by": "external-secrets"}


@pytest.mark.parametrize(
    ("metadata", "whole", "labels", "annotations"),
    [
        pytest.param(
            {"labels": {"a": "2", "b": "3"}}, True, {"a": "2", "b": "3", **OURS}, {}, id="labels are replaced"
        ),
        pytest.param(
            {"labels": {"a": "2", "b": "3"}, "mergePolicy": "Merge", "annotations": {"n": "1"}},
            True,
            {"a": "1", "b": "3", **OURS},
            {"n": "1"},
            id="merged, those that are there win; annotations are replaced",
        ),
        pytest.param({}, False, {"a": "1", **OURS}, {"old": "x"}, id="a property leaves what is there"),
    ],
)
def test_marks_after_a_push(
    metadata: dict[str, Any], whole: bool, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    secret = Secret({"a": "1"}, {"old": "x"}, "")
    assert codec.wanted(secret, metadata, whole=whole) == (labels, annotations)


def test_an_etag_that_is_no_text_is_malformed() -> None:
    with pytest.raises(Malformed):
        codec.secret_of(b'{"etag":7}')


def test_values_never_print() -> None:
    assert "planted" not in repr(Value(b"planted"))


def test_a_property_of_a_secret_is_asked_of_metadata_in_two_ways_only() -> None:
    with pytest.raises(InvalidConfig):
        MARKS.bytes(RemoteRef("k", "x"))
