"""The envelope of a PushSecret's metadata."""

from __future__ import annotations

import pytest

from eso.providers.contract import InvalidConfig, Push, Remote, Source
from eso.providers.kit.metadata import ANY, FLAG, NUMBER, TEXT, anywhere, spec_of
from eso.providers.kit.payload import pushed

SHAPE = {
    "kmsKeyID": TEXT,
    "tags": {"*": TEXT},
    "replicate": FLAG,
    "days": NUMBER,
    "regions": [{"name": TEXT}],
    "policy": ANY,
}


def envelope(spec: object, **changes: object) -> dict[str, object]:
    return {
        "apiVersion": "kubernetes.external-secrets.io/v1alpha1",
        "kind": "PushSecretMetadata",
        "spec": spec,
    } | changes


def test_absent_metadata_says_nothing():
    assert spec_of(None, SHAPE) == {}
    assert spec_of(envelope(None), SHAPE) == {}


def test_names_match_without_case_and_come_back_as_the_provider_writes_them():
    given = {"kmsKeyId": "alias/x", "Tags": {"Team": "a"}, "regions": [{"Name": "eu"}], "days": 7, "policy": [1]}
    assert spec_of({"APIVERSION": envelope({})["apiVersion"], "kind": "PushSecretMetadata", "Spec": given}, SHAPE) == {
        "kmsKeyID": "alias/x",
        "tags": {"Team": "a"},
        "regions": [{"name": "eu"}],
        "days": 7,
        "policy": [1],
    }


def test_a_member_that_is_null_is_not_set():
    assert spec_of(envelope({"kmsKeyID": None, "replicate": False}), SHAPE) == {"replicate": False}


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        pytest.param(
            envelope({}, apiVersion="v1"),
            'unexpected apiVersion "v1", expected "kubernetes.external-secrets.io/v1alpha1"',
            id="another version",
        ),
        pytest.param(
            envelope({}, kind="Other"), 'unexpected kind "Other", expected "PushSecretMetadata"', id="another kind"
        ),
        pytest.param(
            {"kmsKeyID": "x"},
            "failed to parse kubernetes.external-secrets.io/v1alpha1 PushSecretMetadata: "
            'error unmarshaling JSON: while decoding JSON: json: unknown field "kmsKeyID"',
            id="no envelope",
        ),
        pytest.param(
            envelope({"regions": [{"kms": "x"}]}),
            "failed to parse kubernetes.external-secrets.io/v1alpha1 PushSecretMetadata: "
            'error unmarshaling JSON: while decoding JSON: json: unknown field "kms"',
            id="an unknown field far below",
        ),
        pytest.param(
            envelope({"kmsKeyID": 5}),
            "failed to parse kubernetes.external-secrets.io/v1alpha1 PushSecretMetadata: "
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal number into Go struct field "
            "PushSecretMetadataSpec.spec.kmsKeyID of type string",
            id="a number where a text belongs",
        ),
    ],
)
def test_what_is_not_understood_is_refused(metadata, text):
    with pytest.raises(InvalidConfig) as refused:
        spec_of(metadata, SHAPE)
    assert str(refused.value) == text


@pytest.mark.parametrize("spec", [{"replicate": "true"}, {"days": True}, {"tags": ["a"]}, {"regions": {}}, "text"])
def test_a_value_of_another_type_is_refused(spec):
    with pytest.raises(InvalidConfig, match="cannot unmarshal"):
        spec_of(envelope(spec), SHAPE)


def test_an_older_field_is_found_at_any_depth():
    assert anywhere({"spec": [{"topics": ["a"]}]}, "topics") == ["a"]
    assert anywhere({"spec": {"Topics": 1}}, "topics") is None
    assert anywhere(None, "topics") is None


def test_a_push_takes_one_value_or_all_of_them():
    source = Source({"b": b"<\xff>", "a": b"1"})
    assert pushed(Push(Remote("r"), "a"), source) == b"1"
    assert pushed(Push(Remote("r")), source) == b'{"a":"1","b":"<\\ufffd>"}'
    assert pushed(Push(Remote("r")), source, escape_html=True) == b'{"a":"1","b":"\\u003c\\ufffd\\u003e"}'
    with pytest.raises(InvalidConfig, match='secret key "c" not found in the source secret'):
        pushed(Push(Remote("r"), "c"), source)
    with pytest.raises(InvalidConfig, match=r"^no such key$"):
        pushed(Push(Remote("r"), "c"), source, "no such key")
