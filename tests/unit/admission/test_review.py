"""What the webhook answers: the numbered cases of both sections, then what a stranger may send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.admission.review import MAX_MESSAGE, Reviewer
from eso.api.validate import REGEX_STEPS
from eso.providers.contract import StoreView
from eso.stores.registry import PROVIDERS, Backend, Registry
from tests.unit.admission.reviews import (
    ENTRY,
    GENERATOR_REF,
    STORE_REF,
    Answer,
    Json,
    ask,
    external_secret,
    fake_store,
    parsed,
    path,
    review,
    store,
    thing,
)

TOKEN, BOOTSTRAP = "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"
NAMED = {"annotations": {"kubernetes.io/service-account.name": "someone"}}
E1 = (
    "deletionPolicy=Delete must not be used when the controller doesn't own the secret. Please set creationPolicy=Owner"
)
E2 = "deletionPolicy=Merge must not be used with creationPolicy=None. There is no Secret to merge with"
E3 = "either data or dataFrom should be specified"
E4 = f'template.type="{TOKEN}" with annotation "kubernetes.io/service-account.name" is not allowed'
E5 = f'template.type="{TOKEN}" with templateFrom target="Annotations" is not allowed'
E6 = f'template.type="{BOOTSTRAP}" is not allowed'
E8 = "extract, find, or generatorRef cannot be set at the same time"
E9 = "either extract, find, or sourceRef must be set to dataFrom"
E10 = "generatorRef or storeRef must be set when using sourceRef in dataFrom"
UNMAINTAINED = "store x isn't currently maintained. Please plan and prepare accordingly."
STORES = ("SecretStore", "ClusterSecretStore")


def e7(target: str) -> str:
    allowed = 'must be one of "Data", "Annotations" or "Labels"'
    return f'templateFrom target="{target}" is not allowed when targeting a Secret, {allowed}'


def policies(deletion: str, creation: str, **spec: Any) -> Json:
    return external_secret(target={"deletionPolicy": deletion, "creationPolicy": creation}, **spec)


def templated(manifest: Json | None = None, **template: Any) -> Json:
    return external_secret(target={"template": template} | ({"manifest": manifest} if manifest else {}))


def aimed(*targets: str, manifest: Json | None = None, **template: Any) -> Json:
    made = [{"literal": "x"} | ({"target": target} if target else {}) for target in targets]
    return templated(manifest, templateFrom=made, **template)


def from_(*entries: Json, **spec: Any) -> Json:
    return external_secret(data=[], dataFrom=list(entries), **spec)


def keys(deletion: str, *names: str) -> Json:
    return external_secret(data=[ENTRY | {"secretKey": name} for name in names], target={"deletionPolicy": deletion})


EXTRACT, FIND = {"extract": {"key": "k"}}, {"find": {"name": {"regexp": "."}}}
REFUSED = [
    pytest.param(policies("Delete", "Merge"), E1, id="C-286 Delete with Merge"),
    pytest.param(policies("Delete", "None"), E1, id="C-286 Delete with None"),
    pytest.param(policies("Delete", "CreateOrMerge"), E1, id="C-286 Delete with CreateOrMerge"),
    pytest.param(policies("Merge", "None"), E2, id="C-287 Merge with None"),
    pytest.param(external_secret(data=[]), E3, id="C-288 neither data nor dataFrom"),
    pytest.param(from_(FIND | EXTRACT), E8, id="C-289 find and extract"),
    pytest.param(from_(FIND | {"sourceRef": GENERATOR_REF}), E8, id="C-289 a generator and find"),
    pytest.param(from_(EXTRACT | {"sourceRef": GENERATOR_REF}), E8, id="C-289 a generator and extract"),
    pytest.param(from_({}), E9, id="C-290 an empty entry"),
    pytest.param(from_({"sourceRef": {}}), E10, id="C-291 an empty source"),
    pytest.param(policies("Merge", "None", data=[]), f"{E2}\n{E3}", id="C-292 two faults are two lines"),
    pytest.param(
        keys("Retain", *"AABB"),
        "duplicate secretKey found: A\nduplicate secretKey found: B",
        id="C-293 a line for each repetition",
    ),
    pytest.param(templated(type=TOKEN, metadata=NAMED), E4, id="C-294 a token of an account of the author's choice"),
    pytest.param(aimed("Annotations", type=TOKEN), E5, id="C-295 the account may come from a template"),
    pytest.param(aimed("annotations", type=TOKEN), E5, id="C-295 in small letters, told in large ones"),
    pytest.param(templated(type=BOOTSTRAP), E6, id="C-296 a bootstrap token"),
    *(
        pytest.param(aimed(target), e7(target), id=f"C-297 {target}")
        for target in (
            "type",
            "metadata.annotations",
            "Metadata.Annotations.kubernetes.io/service-account.name",
            "immutable",
        )
    ),
    pytest.param(
        aimed("spec.x", manifest={"apiVersion": "v1", "kind": "Secret"}), e7("spec.x"), id="C-298 a Secret by name"
    ),
]
ALLOWED = [
    pytest.param(external_secret(), id="C-285 one entry"),
    pytest.param(policies("Delete", "Orphan"), id="C-286 Delete with Orphan"),
    pytest.param(policies("Delete", "Owner"), id="C-286 Delete with Owner"),
    pytest.param(keys("Delete", "A", "A"), id="C-293 repetitions without Retain"),
    pytest.param(templated(type=TOKEN), id="C-294 the type alone"),
    pytest.param(templated(metadata=NAMED), id="C-294 the annotation alone"),
    pytest.param(aimed("Data", type=TOKEN), id="C-295 into Data"),
    *(pytest.param(aimed(target), id=f"C-297 {target or 'none'}") for target in ("data", "LABELS", "Annotations", "")),
    pytest.param(
        aimed("spec.x", manifest={"apiVersion": "example.com/v1", "kind": "Widget"}), id="C-298 another manifest"
    ),
    pytest.param(from_({"sourceRef": STORE_REF}), id="a store alone is admitted, and yields nothing"),
    pytest.param(from_(FIND | {"sourceRef": STORE_REF}), id="a store beside find overrides"),
    pytest.param(external_secret(refreshInterval="-5m"), id="a negative interval means never"),
]


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
@pytest.mark.parametrize(("given_object", "text"), REFUSED)
def test_an_external_secret_that_breaks_a_rule_is_refused(given_object: Json, text: str, operation: str):
    wanted = Answer(False, 403, text, reason="Forbidden", uid="u-1", version="admission.k8s.io/v1")
    assert ask(given_object, operation) == wanted


@pytest.mark.parametrize("given_object", ALLOWED)
def test_an_external_secret_that_breaks_none_is_admitted_without_a_warning(given_object: Json):
    assert ask(given_object) == Answer(True, 200, uid="u-1", version="admission.k8s.io/v1")


@pytest.mark.parametrize(
    "given_object",
    [
        pytest.param(external_secret(data=[]), id="C-299 an invalid ExternalSecret"),
        pytest.param(store(provider={}), id="an invalid store"),
        pytest.param(external_secret(refreshInterval="abc"), id="one that cannot be decoded"),
    ],
)
def test_a_deletion_is_always_admitted(given_object: Json):
    assert ask(given_object, "DELETE", object=None, oldObject=given_object).allowed


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({"refreshInterval": "abc"}, 'time: invalid duration "abc"', id="C-300 no duration"),
        pytest.param({"refreshInterval": "1d"}, 'time: unknown unit "d" in duration "1d"', id="C-300 no such unit"),
        pytest.param({"refreshInterval": "10"}, 'time: missing unit in duration "10"', id="C-300 no unit"),
        pytest.param({"refreshInterval": ""}, 'time: invalid duration ""', id="C-300 nothing"),
        pytest.param(
            {"syncWindows": {"kind": "Allow", "windows": [{"schedule": "* * * * *", "duration": "x"}]}},
            'time: invalid duration "x"',
            id="the duration of a window",
        ),
        pytest.param({"data": "x"}, "Expected `array`, got `str` - at `$.spec.data`", id="no list"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_400(spec: Json, text: str):
    found = ask(external_secret(**spec))
    assert (found.allowed, found.code, found.message, found.reason) == (False, 400, text, "")


@pytest.mark.parametrize("spec", [{"data": []}, {"refreshInterval": "abc"}, {"data": "x"}], ids=str)
@pytest.mark.parametrize("kind", ["ExternalSecret", "SecretStore", "PushSecret"])
def test_an_object_that_is_being_deleted_can_lose_its_finalizers(kind: str, spec: Json):
    version = "v1alpha1" if kind == "PushSecret" else "v1"
    leaving = thing(kind, spec, version, deletionTimestamp="2024-01-01T00:00:00Z", finalizers=["a/b"])
    assert ask(leaving, "UPDATE").allowed


# --- stores


@pytest.mark.parametrize("kind", STORES)
# C-302
def test_c_302_a_valid_expression_is_admitted_without_a_warning(kind: str):
    found = ask(store(kind, conditions=[{"namespaceRegexes": [".*"]}]))
    assert found.allowed and found.warnings == ()


@pytest.mark.parametrize(
    ("expressions", "text"),
    [
        pytest.param(
            [r"\1"],
            r"failed to compile 0th namespace regex in 0th condition: error parsing regexp: "
            r"invalid escape sequence: `\1`",
            id="C-303 one",
        ),
        pytest.param(
            [r"\1", r"\2"],
            "\n".join(
                f"failed to compile {i}th namespace regex in 0th condition: error parsing regexp: "
                f"invalid escape sequence: `\\{i + 1}`"
                for i in range(2)
            ),
            id="C-303 two",
        ),
    ],
)
@pytest.mark.parametrize("kind", STORES)
def test_expressions_that_do_not_compile(kind: str, expressions: list[str], text: str):
    found = ask(store(kind, conditions=[{"namespaceRegexes": expressions}]))
    assert (found.code, found.message, found.warnings) == (403, text, ())


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        pytest.param("1h", "", id="C-304 a duration"),
        pytest.param(300, "", id="C-304 seconds"),
        pytest.param(
            "nonsense", 'invalid refreshInterval "nonsense": time: invalid duration "nonsense"', id="C-304 nonsense"
        ),
        pytest.param(-5, "invalid refreshInterval -5: must not be negative", id="C-304 below zero"),
        pytest.param("10", 'invalid refreshInterval "10": time: missing unit in duration "10"', id="C-304 no unit"),
        pytest.param("-5m", 'invalid refreshInterval "-5m": must not be negative', id="C-304 a negative duration"),
    ],
)
@pytest.mark.parametrize("kind", STORES)
def test_the_interval_of_a_store(kind: str, interval: object, text: str):
    found = ask(store(kind, refreshInterval=interval))
    assert (found.allowed, found.message) == (not text, text)


@pytest.mark.parametrize(
    ("provider", "count"),
    [
        pytest.param({}, 0, id="C-305 none"),
        pytest.param({"fake": {}, "vault": {}}, 2, id="C-305 two"),
    ],
)
@pytest.mark.parametrize("kind", STORES)
def test_a_store_has_exactly_one_provider(kind: str, provider: Json, count: int):
    found = ask(thing(kind, {"provider": provider}, name=""))
    text = f"store error for : secret stores must only have exactly one backend specified, found {count}"
    assert (found.code, found.message, found.warnings) == (403, text, ())


@pytest.mark.parametrize("kind", STORES)
# C-306
def test_c_306_a_provider_that_is_not_there(kind: str):
    found = ask(store(kind, provider={"nonesuch": {}}))
    assert found.message == "failed to find registered store backend for type: nonesuch, name: x"


@pytest.mark.parametrize("annotations", [{}, {"external-secrets.io/ignore-maintenance-checks": "true"}], ids=str)
@pytest.mark.parametrize("kind", STORES)
# C-307
def test_c_307_a_provider_that_nobody_maintains_brings_a_warning(kind: str, annotations: dict[str, str]):
    found = ask(fake_store(kind, {"key": "k", "value": "v"}, annotations=annotations))
    assert found.allowed and found.warnings == (UNMAINTAINED,)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        pytest.param({"value": "v"}, "key must be set in data 0", id="C-308 no key"),
        pytest.param({"key": "k"}, "at least one value must be set in data 0", id="C-308 no value"),
    ],
)
@pytest.mark.parametrize("kind", STORES)
def test_the_provider_has_its_own_rules_and_the_warning_stays(kind: str, entry: Json, text: str):
    found = ask(fake_store(kind, entry))
    assert (found.code, found.message, found.warnings) == (403, text, (UNMAINTAINED,))


def referring(kind: str, namespace: str) -> Json:
    ref = {"name": "a", "key": "k"} | ({"namespace": namespace} if namespace else {})
    auth = {"secretRef": {"accessKeyIDSecretRef": ref, "secretAccessKeySecretRef": ref}}
    return thing(kind, {"provider": {"aws": {"service": "SecretsManager", "region": "eu-central-1", "auth": auth}}})


def test_a_secret_store_refers_to_its_own_namespace_and_a_cluster_store_to_any():
    assert ask(referring("SecretStore", "team")).allowed
    assert ask(referring("ClusterSecretStore", "other")).allowed
    assert ask(referring("SecretStore", "other")).message == (
        "invalid Auth.SecretRef.AccessKeyID: "
        "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
    )


class Scripted:
    name, capability, maintained = "scripted", "ReadOnly", True

    def __init__(self, error: Exception | None = None, warnings: tuple[str, ...] = ()) -> None:
        self.error, self.warnings = error, warnings
        self.seen: list[StoreView] = []

    def check(self, store: StoreView) -> list[str]:
        self.seen.append(store)
        if self.error:
            raise self.error
        return list(self.warnings)


def reviewer_with(spec: Any) -> Reviewer:
    return Reviewer(Registry(PROVIDERS | {"scripted": Backend(spec, "")}))


def test_a_provider_sees_its_block_and_where_the_store_is():
    spec = Scripted(warnings=("old",))
    given_store = thing("SecretStore", {"provider": {"scripted": {"a": 1}}, "retrySettings": {"maxRetries": 1}})
    assert ask(given_store, reviewer=reviewer_with(spec)).warnings == ("old",)
    given_store["metadata"].pop("namespace")
    ask(given_store, reviewer=reviewer_with(spec), namespace="of-the-request")
    assert [(one.kind, one.namespace, one.provider_spec, one.retry_settings) for one in spec.seen] == [
        ("SecretStore", namespace, {"a": 1}, {"maxRetries": 1}) for namespace in ("team", "of-the-request")
    ]


def test_a_bug_in_a_provider_is_told_without_its_text():
    found = ask(store(provider={"scripted": {}}), reviewer=reviewer_with(Scripted(KeyError("hunter2"))))
    assert (found.code, found.message) == (500, "the provider scripted cannot check the store: KeyError")


# --- v1beta1, where a team serves it


@pytest.mark.parametrize(
    ("given_object", "text"),
    [
        pytest.param(
            external_secret("v1beta1", target={"deletionPolicy": "Delete", "creationPolicy": "CreateOrMerge"}),
            "",
            id="CreateOrMerge was unknown",
        ),
        pytest.param(
            external_secret("v1beta1", target={"deletionPolicy": "Delete", "creationPolicy": "Merge"}),
            E1,
            id="Delete with Merge",
        ),
        pytest.param(
            external_secret("v1beta1", target={"template": {"templateFrom": [{"target": "spec"}]}}),
            "",
            id="targets were not looked at",
        ),
        pytest.param(external_secret("v1beta1", target={"template": {"type": BOOTSTRAP}}), E6, id="a bootstrap token"),
        pytest.param(
            external_secret("v1beta1", data=[], target={"deletionPolicy": "Merge", "creationPolicy": "None"}),
            f"{E2}\n{E3}",
            id="two faults",
        ),
        pytest.param(store("SecretStore", "v1beta1", refreshInterval=-5), "", id="any interval"),
        pytest.param(
            store("ClusterSecretStore", "v1beta1", provider={}),
            "store error for x: secret stores must only have exactly one backend specified, found 0",
            id="no provider",
        ),
        pytest.param(
            store("SecretStore", "v1beta1", provider={"nonesuch": {}}),
            "failed to find registered store backend for type: nonesuch, name: x",
            id="an unknown provider",
        ),
        pytest.param(
            store("SecretStore", "v1beta1", conditions=[{"namespaceRegexes": ["("]}]),
            "failed to compile 0th namespace regex in 0th condition: error parsing regexp: missing closing ): `(`",
            id="an expression",
        ),
    ],
)
def test_the_rules_of_v1beta1(given_object: Json, text: str):
    assert (found := ask(given_object)).message == text and found.allowed == (not text)


def test_a_store_of_v1beta1_brings_no_warning():
    assert ask(store("SecretStore", "v1beta1", provider={"fake": {"data": []}})).warnings == ()


# --- kinds that only this webhook judges


def push(**spec: Any) -> Json:
    body = {"secretStoreRefs": [{"name": "s"}], "selector": {"secret": {"name": "a"}}}
    return thing("PushSecret", body | spec, "v1alpha1")


@pytest.mark.parametrize(
    ("given_object", "code", "text"),
    [
        pytest.param(push(), 200, "", id="a plain one"),
        pytest.param(push(refreshInterval="soon"), 400, 'time: invalid duration "soon"', id="no duration"),
        pytest.param(push(dataTo=[{}]), 403, "dataTo[0]: storeRef is required", id="a rule without a store"),
        pytest.param(
            push(dataTo=[{"storeRef": {"name": "s"}}, {"storeRef": {"name": "t"}}, {"storeRef": {}}]),
            403,
            'dataTo[1]: storeRef "t" not found in secretStoreRefs\ndataTo[2]: storeRef must have name or labelSelector',
            id="a line for each rule",
        ),
    ],
)
def test_push_secrets(given_object: Json, code: int, text: str):
    assert (found := ask(given_object)).code == code and found.message == text


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({"kind": "Password", "generator": {"passwordSpec": {}}}, "", id="a plain one"),
        pytest.param(
            {"kind": "Password", "generator": {"uuidSpec": {}}},
            "invalid ClusterGenerator: when kind is Password, PasswordSpec must be set",
            id="the block of another kind",
        ),
        pytest.param({"kind": "Nope"}, "invalid ClusterGenerator: unknown kind Nope", id="an unknown kind"),
    ],
)
def test_cluster_generators(spec: Json, text: str):
    found = ask(thing("ClusterGenerator", spec, "v1alpha1", "generators.external-secrets.io"))
    assert (found.allowed, found.message) == (not text, text)


# --- what a stranger may send


def sent(body: bytes, where: str = path("ExternalSecret")) -> Answer:
    return parsed(Reviewer().review(where, body))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"x", "unable to decode the request: JSON is malformed", id="no JSON"),
        pytest.param(b'{"request": 1}', "unable to decode the request: Expected `object", id="no request"),
        pytest.param(b'{"kind":"Pod"}', "unable to decode the request: no kind 'Pod'", id="another kind"),
        pytest.param(
            b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v7"}',
            "unable to decode the request: no kind 'AdmissionReview' of 'admission.k8s.io/v7'",
            id="a version to come",
        ),
        pytest.param(b"{}", 'unknown operation ""', id="nothing"),
        pytest.param(b"[" * 500_000, "unable to decode the request: ", id="deep"),
        pytest.param(
            b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "unable to decode the request: it is nested", id="deep maps"
        ),
        pytest.param(b'{"kind":"\xff"}', "unable to decode the request: it is no JSON", id="no UTF-8"),
    ],
)
def test_a_body_that_is_no_review_is_refused_with_400(body: bytes, text: str):
    found = sent(body)
    assert (found.allowed, found.code, found.uid) == (False, 400, "")
    assert found.message.startswith(text)


def test_the_answer_comes_in_the_version_of_the_question():
    asked = review(external_secret(), api="admission.k8s.io/v1beta1")
    assert sent(json.dumps(asked).encode()).version == "admission.k8s.io/v1beta1"


def test_an_object_of_another_kind_is_refused():
    asked = json.dumps(review(store())).encode()
    found = sent(asked)
    assert found.code == 400 and found.message.endswith("external-secrets.io/v1, Kind=SecretStore is not judged here")


@pytest.mark.parametrize("given_object", [None, 1, "x", [], {}, {"metadata": 1}], ids=str)
@pytest.mark.parametrize("kind", ["ExternalSecret", "SecretStore", "PushSecret", "ClusterGenerator"])
def test_an_object_without_the_form_of_one_is_refused(kind: str, given_object: object):
    group = "generators.external-secrets.io" if kind == "ClusterGenerator" else "external-secrets.io"
    version = "v1" if kind in ("ExternalSecret", "SecretStore") else "v1alpha1"
    asked = review(thing(kind, {}, version, group), object=given_object)
    found = parsed(Reviewer().review(path(kind, version, group), json.dumps(asked).encode()))
    assert not found.allowed and found.code in (400, 403)


def test_an_object_that_is_nested_deeply_is_refused():
    deep = json.dumps(review(external_secret(), object="HERE")).encode().replace(b'"HERE"', b"[" * 900 + b"]" * 900)
    assert sent(deep).code == 400
    block: Json = {}
    for _ in range(300):
        block = {"a": block, "b": None}
    assert not ask(thing("SecretStore", {"provider": {"nonesuch": block}})).allowed


def test_a_refusal_ends_where_it_would_be_too_long():
    found = ask(keys("Retain", *["k"] * 10_000))
    lines = found.message.splitlines()
    assert set(lines[:-1]) == {"duplicate secretKey found: k"} and lines[-1] == "… and more, 289970 characters in all"
    assert len(found.message) < MAX_MESSAGE + 100
    one = ask(store(provider={"n" * 100_000: {}}))
    assert one.message.startswith("failed to find") and len(one.message) < MAX_MESSAGE + 100


def test_each_expression_that_does_not_compile_is_told_however_many_there_are():
    found = ask(store(conditions=[{"namespaceRegexes": [f"({n}" for n in range(200)]}]))
    assert [line.partition("th")[0] for line in found.message.splitlines()] == [
        f"failed to compile {n}" for n in range(200)
    ]


def test_expressions_are_compiled_until_they_cost_too_much():
    found = ask(store(conditions=[{"namespaceRegexes": [f"[a-z]{{900}}{n}" for n in range(10_000)]}]))
    assert found.message.splitlines()[-1].endswith(f"all expressions together exceed {REGEX_STEPS} steps")
    assert len(found.message.splitlines()) < 1000


@given(st.binary(max_size=200))
def test_property_any_body_has_an_answer(body: bytes):
    for where in Reviewer().paths:
        assert not parsed(Reviewer().review(where, body)).allowed


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("data", "dataFrom", "target", "refreshInterval", "provider", "conditions", "syncWindows", "dataTo", "kind")


@given(st.dictionaries(st.sampled_from(MEMBERS), JSONISH, max_size=4), JSONISH)
def test_property_any_object_has_an_answer(spec: Json, metadata: Any):
    """Not only those that the schema lets through: whoever reaches the port may send what he likes."""
    for kind, version in (("ExternalSecret", "v1"), ("SecretStore", "v1"), ("PushSecret", "v1alpha1")):
        asked = review(thing(kind, {}, version), object={"metadata": metadata, "spec": spec})
        answer = parsed(Reviewer().review(path(kind, version), json.dumps(asked).encode()))
        assert answer.code in (200, 400, 403)
