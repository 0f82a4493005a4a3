"""The rules of the webhook: every refusal with its text, and what is admitted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.externalsecret import Data, ExternalSecretSpec, Target
from eso.api.meta import ObjectMeta
from eso.api.secretstore import SecretStore, SecretStoreSpec, StoreCondition
from eso.api.validate import (
    InvalidStore,
    check_store,
    external_secret_refusals,
    provider_of,
    regex_faults,
    template_refusals,
    undecodable,
)

E1 = (
    "deletionPolicy=Delete must not be used when the controller doesn't own the secret. Please set creationPolicy=Owner"
)
E2 = "deletionPolicy=Merge must not be used with creationPolicy=None. There is no Secret to merge with"
E3 = "either data or dataFrom should be specified"
E4 = (
    'template.type="kubernetes.io/service-account-token" with annotation "kubernetes.io/service-account.name" '
    "is not allowed"
)
E5 = 'template.type="kubernetes.io/service-account-token" with templateFrom target="Annotations" is not allowed'
E6 = 'template.type="bootstrap.kubernetes.io/token" is not allowed'
E8 = "extract, find, or generatorRef cannot be set at the same time"
E9 = "either extract, find, or sourceRef must be set to dataFrom"
E10 = "generatorRef or storeRef must be set when using sourceRef in dataFrom"
TOKEN, BOOTSTRAP = "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"
ENTRY = {"secretKey": "a", "remoteRef": {"key": "k"}}
GENERATOR = {"generatorRef": {"kind": "UUID", "name": "u"}}
STORE = {"storeRef": {"name": "s"}}


def spec(**members: Any) -> ExternalSecretSpec:
    return msgspec.convert({"data": [ENTRY]} | members, ExternalSecretSpec)


def policies(deletion: str, creation: str) -> ExternalSecretSpec:
    return spec(target={"deletionPolicy": deletion, "creationPolicy": creation})


def templated(manifest: dict[str, str] | None = None, **template: Any) -> ExternalSecretSpec:
    return spec(target={"template": template} | ({"manifest": manifest} if manifest else {}))


def aimed(*targets: str, manifest: dict[str, str] | None = None, type: str = "") -> ExternalSecretSpec:
    return templated(manifest, type=type, templateFrom=[{"literal": "x", "target": target} for target in targets])


def e7(target: str) -> str:
    return (
        f'templateFrom target="{target}" is not allowed when targeting a Secret, '
        'must be one of "Data", "Annotations" or "Labels"'
    )


ANNOTATED = {"annotations": {"kubernetes.io/service-account.name": ""}}


@pytest.mark.parametrize(
    ("given_spec", "texts"),
    [
        pytest.param(spec(), [], id="C-285 a valid object"),
        pytest.param(policies("Delete", "Merge"), [E1], id="C-286 Delete and Merge"),
        pytest.param(policies("Delete", "None"), [E1], id="C-286 Delete and None"),
        pytest.param(policies("Delete", "CreateOrMerge"), [E1], id="C-286 Delete and CreateOrMerge"),
        pytest.param(policies("Delete", "Orphan"), [], id="C-286 Delete and Orphan"),
        pytest.param(policies("Delete", "Owner"), [], id="C-286 Delete and Owner"),
        pytest.param(policies("Merge", "None"), [E2], id="C-287 Merge and None"),
        pytest.param(policies("Merge", "Merge"), [], id="Merge and Merge"),
        pytest.param(spec(data=[]), [E3], id="C-288 nothing to read"),
        pytest.param(spec(data=[], dataFrom=[{"extract": {"key": "k"}}]), [], id="only dataFrom"),
        pytest.param(spec(dataFrom=[{"find": {}, "extract": {"key": "k"}}]), [E8], id="C-289 find and extract"),
        pytest.param(spec(dataFrom=[{"find": {}, "sourceRef": GENERATOR}]), [E8], id="C-289 generator and find"),
        pytest.param(
            spec(dataFrom=[{"extract": {"key": "k"}, "sourceRef": GENERATOR}]), [E8], id="C-289 generator and extract"
        ),
        pytest.param(
            spec(dataFrom=[{"extract": {"key": "k"}, "sourceRef": STORE}]), [], id="extract from another store"
        ),
        pytest.param(spec(dataFrom=[{"sourceRef": STORE}]), [], id="another store alone reads nothing but is admitted"),
        pytest.param(spec(dataFrom=[{}]), [E9], id="C-290 an empty entry"),
        pytest.param(spec(dataFrom=[{"sourceRef": {}}]), [E10], id="C-291 an empty source"),
        pytest.param(spec(dataFrom=[{}, {"sourceRef": {}}]), [E9, E10], id="every entry is looked at"),
        pytest.param(
            spec(data=[], target={"deletionPolicy": "Merge", "creationPolicy": "None"}),
            [E2, E3],
            id="C-292 two at once, in order",
        ),
        pytest.param(
            spec(data=[ENTRY | {"secretKey": key} for key in "AABB"]),
            ["duplicate secretKey found: A", "duplicate secretKey found: B"],
            id="C-293 keys that repeat",
        ),
        pytest.param(
            spec(data=[ENTRY | {"secretKey": key} for key in "AAA"]),
            ["duplicate secretKey found: A"] * 2,
            id="each repetition counts",
        ),
        pytest.param(
            spec(data=[ENTRY, ENTRY], target={"deletionPolicy": "Delete"}),
            [],
            id="C-293 repeating is admitted under Delete",
        ),
        pytest.param(templated(type=TOKEN, metadata=ANNOTATED), [E4], id="C-294 a token for somebody"),
        pytest.param(templated(type=TOKEN), [], id="C-294 the type alone"),
        pytest.param(templated(metadata=ANNOTATED), [], id="C-294 the annotation alone"),
        pytest.param(aimed("Annotations", type=TOKEN), [E5], id="C-295 annotations from a template"),
        pytest.param(aimed("annotations", type=TOKEN), [E5], id="C-295 in lower case"),
        pytest.param(aimed("annotationſ", type=TOKEN), [E5], id="C-295 with a long s, which Go folds too"),
        pytest.param(aimed("Data", type=TOKEN), [], id="C-295 data from a template"),
        pytest.param(
            templated(type=TOKEN, metadata=ANNOTATED, templateFrom=[{"literal": "x", "target": "Annotations"}]),
            [E4],
            id="only the first hit",
        ),
        pytest.param(templated(type=BOOTSTRAP), [E6], id="C-296 a bootstrap token"),
        pytest.param(
            aimed(
                "type", "metadata.annotations", "Metadata.Annotations.kubernetes.io/service-account.name", "immutable"
            ),
            [
                e7("type"),
                e7("metadata.annotations"),
                e7("Metadata.Annotations.kubernetes.io/service-account.name"),
                e7("immutable"),
            ],
            id="C-297 parts that a template may not fill",
        ),
        pytest.param(aimed("data", "LABELS", "Annotations", ""), [], id="C-297 parts that it may fill"),
        pytest.param(
            aimed("spec.a", manifest={"apiVersion": "example.com/v1", "kind": "Thing"}),
            [],
            id="C-298 any part of another kind",
        ),
        pytest.param(
            aimed("spec.a", manifest={"apiVersion": "v1", "kind": "Secret"}),
            [e7("spec.a")],
            id="C-298 a Secret by another name",
        ),
        pytest.param(
            templated({"apiVersion": "v1", "kind": "ConfigMap"}, type=BOOTSTRAP),
            [E6],
            id="privileged types are refused for every kind",
        ),
        pytest.param(
            spec(
                data=[],
                dataFrom=[{}],
                target={
                    "deletionPolicy": "Delete",
                    "creationPolicy": "None",
                    "template": {"type": BOOTSTRAP, "templateFrom": [{"literal": "x", "target": "type"}]},
                },
            ),
            [E1, E6, e7("type"), E9],
            id="the order of the texts",
        ),
    ],
)
def test_what_is_wrong_with_an_external_secret(given_spec: ExternalSecretSpec, texts: list[str]) -> None:
    assert external_secret_refusals(given_spec) == texts


def test_the_check_before_rendering_looks_at_the_template_only() -> None:
    bad = spec(data=[], target={"deletionPolicy": "Merge", "creationPolicy": "None", "template": {"type": BOOTSTRAP}})
    assert template_refusals(bad) == [E6]
    assert template_refusals(spec(data=[])) == []


@given(st.lists(st.sampled_from("abc")))
def test_property_a_key_is_told_once_per_repetition(keys: list[str]) -> None:
    found = external_secret_refusals(ExternalSecretSpec(data=tuple(Data(key) for key in ["z", *keys])))
    assert len(found) == len(keys) - len(set(keys))


@given(
    st.sampled_from(("Owner", "Orphan", "Merge", "None", "CreateOrMerge")),
    st.sampled_from(("Delete", "Merge", "Retain")),
)
def test_property_retain_goes_with_everything(creation: str, deletion: str) -> None:
    found = external_secret_refusals(
        ExternalSecretSpec(data=(Data("a"),), target=Target(creation_policy=creation, deletion_policy=deletion))
    )
    assert deletion != "Retain" or found == []


@pytest.mark.parametrize(
    ("given_spec", "text"),
    [
        pytest.param(spec(), "", id="no interval"),
        pytest.param(spec(refreshInterval="1h"), "", id="a good one"),
        pytest.param(spec(refreshInterval="abc"), 'time: invalid duration "abc"', id="C-300 a bad one"),
        pytest.param(
            spec(syncWindows={"kind": "deny", "windows": [{"schedule": "@daily", "duration": "10"}]}),
            'time: missing unit in duration "10"',
            id="a bad window",
        ),
    ],
)
def test_what_a_typed_client_could_not_decode(given_spec: ExternalSecretSpec, text: str) -> None:
    assert undecodable(given_spec) == text


FAKE = {"fake": {"data": []}}


def store(name: str = "s", **members: Any) -> SecretStore:
    return SecretStore(ObjectMeta(name), msgspec.convert({"provider": FAKE} | members, SecretStoreSpec))


def regexes(*groups: list[str]) -> SecretStore:
    return store(conditions=[{"namespaceRegexes": group} for group in groups])


FAULT = "failed to compile {}th namespace regex in {}th condition: error parsing regexp: invalid escape sequence: `{}`"


@pytest.mark.parametrize(
    ("given_store", "texts"),
    [
        pytest.param(regexes([".*"]), [], id="C-302 a valid expression"),
        pytest.param(regexes(["\\1"]), [FAULT.format(0, 0, "\\1")], id="C-303 one expression"),
        pytest.param(
            regexes(["\\1", "\\2"]),
            [FAULT.format(0, 0, "\\1"), FAULT.format(1, 0, "\\2")],
            id="C-303 two expressions",
        ),
        pytest.param(regexes(["a"], ["b", "\\1"]), [FAULT.format(1, 1, "\\1")], id="the place is counted from zero"),
    ],
)
def test_expressions_that_do_not_compile(given_store: SecretStore, texts: list[str]) -> None:
    assert regex_faults(given_store.spec) == texts


@pytest.mark.parametrize(
    ("given_store", "text"),
    [
        pytest.param(
            store(refreshInterval=-5), "invalid refreshInterval -5: must not be negative", id="C-304 negative seconds"
        ),
        pytest.param(
            store(refreshInterval="nonsense"),
            'invalid refreshInterval "nonsense": time: invalid duration "nonsense"',
            id="C-304 no duration",
        ),
        pytest.param(
            store(refreshInterval="10"),
            'invalid refreshInterval "10": time: missing unit in duration "10"',
            id="C-304 no unit",
        ),
        pytest.param(
            store(refreshInterval="-5m"),
            'invalid refreshInterval "-5m": must not be negative',
            id="C-304 a negative duration",
        ),
        pytest.param(
            store("", provider={}),
            "store error for : secret stores must only have exactly one backend specified, found 0",
            id="C-305 no provider",
        ),
        pytest.param(
            store("", provider=FAKE | {"vault": {}}),
            "store error for : secret stores must only have exactly one backend specified, found 2",
            id="C-305 two providers",
        ),
        pytest.param(
            store("x", provider={}, refreshInterval=-1),
            "invalid refreshInterval -1: must not be negative",
            id="the first stage wins",
        ),
    ],
)
def test_what_is_wrong_with_a_store(given_store: SecretStore, text: str) -> None:
    with pytest.raises(InvalidStore) as caught:
        check_store(given_store)
    assert str(caught.value) == text
    assert caught.value.retryable is False


@pytest.mark.parametrize(
    "given_store",
    [
        pytest.param(store(refreshInterval="1h"), id="C-304 a duration"),
        pytest.param(store(refreshInterval=300), id="C-304 seconds"),
        pytest.param(store(), id="no interval"),
    ],
)
def test_what_a_store_may_say(given_store: SecretStore) -> None:
    assert check_store(given_store) == ("fake", {"data": []})


def test_a_provider_block_that_is_no_object_is_an_empty_one() -> None:
    assert provider_of(store(provider={"fake": None})) == ("fake", {})


def test_expressions_of_few_letters_and_large_programs_are_not_all_compiled() -> None:
    """Sixty kilobytes of them held the webhook for seconds."""
    patterns = tuple(f"(?:x?y?){{1000}}{i}" for i in range(3000))
    spec = SecretStoreSpec(conditions=(StoreCondition(namespace_regexes=patterns),))
    (fault,) = regex_faults(spec)
    assert fault.endswith("all expressions together exceed 50000 steps")
    assert int(fault.split("th ")[0].rpartition(" ")[2]) < 60
