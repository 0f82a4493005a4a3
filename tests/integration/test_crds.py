"""What the API server makes of the CRDs: defaults, refusals, selectors, both versions. Sentences of section A of the
conformance cases."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.harness.cluster import REPO, ApiRefused, KubectlFailed
from e2e.harness.controlplane import ControlPlane
from eso.api.crds.definition import definition
from eso.api.crds.kinds import KINDS, Kind

pytestmark = pytest.mark.real

Json = dict[str, Any]
CRDS = REPO / "manifests" / "crds"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
PLURALS = ("clusterexternalsecrets", "clustersecretstores", "externalsecrets", "secretstores")
PULUMI: Json = {"organization": "o", "project": "p", "environment": "e"}
OIDC: Json = {"organization": "o", "serviceAccountRef": {"name": "a"}}
ENTRY: Json = {"secretKey": "a", "remoteRef": {"key": "k"}}


@pytest.fixture(scope="module", autouse=True)
def crds(controlplane: ControlPlane) -> None:
    for plural in PLURALS:
        controlplane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS / f"{plural}.yaml"))
    controlplane.kubectl(
        "wait", "--for=condition=Established", *(f"crd/{plural}.external-secrets.io" for plural in PLURALS)
    )


def thing(kind: str, spec: Json, name: str = "x", version: str = "v1") -> Json:
    return {"apiVersion": f"external-secrets.io/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}


def made(controlplane: ControlPlane, namespace: str, spec: Json, name: str = "x") -> Json:
    """An ExternalSecret's spec as it is read back."""
    created: Json = controlplane.api.create("externalsecrets", namespace, thing("ExternalSecret", spec, name))
    spec_back: Json = created["spec"]
    return spec_back


def refusal(controlplane: ControlPlane, namespace: str, kind: str, spec: Json) -> str:
    """Why the API server refuses it, "" when it accepts."""
    plural = {
        "ExternalSecret": "externalsecrets",
        "SecretStore": "secretstores",
        "ClusterSecretStore": "clustersecretstores",
    }[kind]
    where = "" if kind == "ClusterSecretStore" else namespace
    path = controlplane.api.path(plural, where) + "?dryRun=All"
    try:
        controlplane.api.request("POST", path, thing(kind, spec))
    except ApiRefused as error:
        return str(error)
    return ""


def test_a_client_side_apply_of_every_file_works(controlplane: ControlPlane) -> None:
    """`kubectl apply` puts the whole object into an annotation, which holds 256 KiB."""
    for plural in PLURALS:
        told = controlplane.kubectl("apply", "--dry-run=server", "-o", "name", "-f", str(CRDS / f"{plural}.yaml"))
        assert told.strip() == f"customresourcedefinition.apiextensions.k8s.io/{plural}.external-secrets.io"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource.kind)
def test_the_api_server_takes_every_kind_also_before_it_is_installed(controlplane: ControlPlane, kind: Kind) -> None:
    """Structure, defaults and the cost of rules."""
    crd = definition(kind)
    crd["metadata"]["name"] = crd["metadata"]["name"].replace(".", "-dry.", 1)
    crd["spec"]["names"]["plural"] += "-dry"
    controlplane.api.request("POST", CRD_PATH, crd)


@pytest.mark.parametrize(
    ("plural", "short", "namespaced"),
    [
        pytest.param("externalsecrets", "es", True, id="C-002 ExternalSecrets live in namespaces and are called es"),
        pytest.param("secretstores", "ss", True, id="C-002 SecretStores live in namespaces and are called ss"),
        pytest.param(
            "clustersecretstores", "css", False, id="C-002 ClusterSecretStores belong to the cluster and are called css"
        ),
        pytest.param(
            "clusterexternalsecrets",
            "ces",
            False,
            id="C-002 ClusterExternalSecrets belong to the cluster and are called ces",
        ),
    ],
)
def test_discovery_names_the_kind(controlplane: ControlPlane, plural: str, short: str, namespaced: bool) -> None:
    resources = {r["name"]: r for r in controlplane.api.request("GET", "/apis/external-secrets.io/v1")["resources"]}
    found = resources[plural]
    assert (found["shortNames"], found["namespaced"], found["categories"]) == (
        [short],
        namespaced,
        ["external-secrets"],
    )
    assert sorted(name.partition("/")[2] for name in resources if name.startswith(f"{plural}/")) == ["status"]


# C-001
def test_c_001_both_versions_are_served_and_v1_is_stored(controlplane: ControlPlane) -> None:
    """Except that v1beta1 is served here."""
    group = next(g for g in controlplane.api.request("GET", "/apis")["groups"] if g["name"] == "external-secrets.io")
    assert {v["version"] for v in group["versions"]} >= {"v1", "v1beta1"}
    assert group["preferredVersion"]["version"] == "v1"
    for plural in PLURALS:
        crd = controlplane.api.get("customresourcedefinitions", "", f"{plural}.external-secrets.io")
        assert crd is not None
        assert crd["status"]["storedVersions"] == ["v1"]
        assert crd["metadata"]["labels"]["external-secrets.io/component"] == "controller"
        assert {c["type"]: c["status"] for c in crd["status"]["conditions"]} == {
            "NamesAccepted": "True",
            "Established": "True",
        }


def test_what_is_written_as_v1beta1_is_the_same_as_v1(controlplane: ControlPlane, namespace: str) -> None:
    body = thing("ExternalSecret", {"data": [ENTRY], "target": {"name": "t"}}, version="v1beta1")
    controlplane.api.request("POST", f"/apis/external-secrets.io/v1beta1/namespaces/{namespace}/externalsecrets", body)
    found = controlplane.api.get("externalsecrets", namespace, "x")
    assert found is not None
    assert found["apiVersion"] == "external-secrets.io/v1"
    assert found["spec"]["target"] == {"name": "t", "creationPolicy": "Owner", "deletionPolicy": "Retain"}


@pytest.mark.parametrize(
    ("spec", "path", "wanted"),
    [
        pytest.param(
            {"data": [ENTRY]},
            ("target",),
            {"creationPolicy": "Owner", "deletionPolicy": "Retain"},
            id="C-005 an absent target",
        ),
        pytest.param({"data": [ENTRY]}, ("refreshInterval",), "1h0m0s", id="C-005 an absent interval"),
        pytest.param(
            {"target": {"name": "x"}},
            ("target",),
            {"name": "x", "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            id="C-006 a named target",
        ),
        pytest.param(
            {"target": {"template": {}}},
            ("target", "template"),
            {"engineVersion": "v2", "mergePolicy": "Replace"},
            id="C-008 an empty template",
        ),
        pytest.param(
            {"target": {"template": {"templateFrom": [{"secret": {"name": "s", "items": [{"key": "k"}]}}]}}},
            ("target", "template", "templateFrom", 0),
            {"target": "Data", "secret": {"name": "s", "items": [{"key": "k", "templateAs": "Values"}]}},
            id="C-007 C-008 a template source",
        ),
        pytest.param(
            {"dataFrom": [{"rewrite": [{"merge": {}}]}]},
            ("dataFrom", 0, "rewrite", 0, "merge"),
            {"into": "", "priorityPolicy": "Strict", "conflictPolicy": "Error", "strategy": "Extract"},
            id="C-009 an empty merge",
        ),
        pytest.param(
            {"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "UUID", "name": "u"}}}]},
            ("dataFrom", 0, "sourceRef", "generatorRef", "apiVersion"),
            "generators.external-secrets.io/v1alpha1",
            id="C-010 a generator",
        ),
        pytest.param({"data": [ENTRY]}, ("data", 0), ENTRY, id="C-007 a data entry gets nothing"),
        pytest.param(
            {"dataFrom": [{"extract": {"key": "k"}}]},
            ("dataFrom", 0),
            {"extract": {"key": "k"}},
            id="C-007 an extract gets nothing",
        ),
        pytest.param(
            {"dataFrom": [{"find": {"name": {"regexp": "x"}}}]},
            ("dataFrom", 0),
            {"find": {"name": {"regexp": "x"}}},
            id="C-007 a find gets nothing",
        ),
        pytest.param(
            {"secretStoreRef": {"name": "s"}},
            ("secretStoreRef",),
            {"name": "s"},
            id="C-007 a store reference gets nothing",
        ),
        pytest.param({"target": {"immediate": True}}, ("target", "immediate"), True, id="immediate is kept"),
        pytest.param(
            {"target": {"template": {"engineVersion": "jinja2"}}},
            ("target", "template", "engineVersion"),
            "jinja2",
            id="the second engine is accepted",
        ),
    ],
)
def test_defaults(
    controlplane: ControlPlane, namespace: str, spec: Json, path: tuple[str | int, ...], wanted: Any
) -> None:
    found: Any = made(controlplane, namespace, spec)
    for step in path:
        found = found[step]
    assert found == wanted


# C-018
def test_c_018_the_embedded_spec_has_the_same_defaults(controlplane: ControlPlane, namespace: str) -> None:
    body = thing("ClusterExternalSecret", {"externalSecretSpec": {"data": [ENTRY]}}, name=namespace)
    found = controlplane.api.create("clusterexternalsecrets", "", body)["spec"]["externalSecretSpec"]
    controlplane.api.delete("clusterexternalsecrets", "", namespace)
    assert found == made(controlplane, namespace, {"data": [ENTRY]})


STORE: Json = {"name": "s", "kind": "SecretStore"}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param({"data": [ENTRY | {"sourceRef": {"storeRef": STORE}}]}, "", id="C-011 one source"),
        pytest.param(
            {"dataFrom": [{"sourceRef": {"storeRef": STORE, "generatorRef": {"kind": "UUID", "name": "u"}}}]},
            "must have at most 1 item",
            id="C-011 two sources",
        ),
        pytest.param({"dataFrom": [{"sourceRef": {}}]}, "at least 1 properties", id="C-011 no source"),
        pytest.param(
            {"dataFrom": [{"rewrite": [{"regexp": {"source": "a", "target": "b"}, "transform": {"template": "t"}}]}]},
            "must have at most 1 item",
            id="C-012 two rewrites in one step",
        ),
        pytest.param({"target": {"creationPolicy": "Foo"}}, "Unsupported value", id="C-013 creationPolicy"),
        pytest.param({"target": {"deletionPolicy": "Foo"}}, "Unsupported value", id="C-013 deletionPolicy"),
        pytest.param({"refreshPolicy": "Foo"}, "Unsupported value", id="C-013 refreshPolicy"),
        pytest.param(
            {"syncWindows": {"kind": "Allow", "windows": [{"schedule": "@daily", "duration": "1h"}]}},
            "Unsupported value",
            id="C-013 window kind",
        ),
        pytest.param({"data": [ENTRY | {"secretKey": "a/b"}]}, "should match", id="C-014 a slash in a key"),
        pytest.param({"data": [ENTRY | {"secretKey": ""}]}, "at least 1 chars long", id="C-014 an empty key"),
        pytest.param(
            {"data": [ENTRY | {"secretKey": "a" * 254}]},
            "may not be more than 253 bytes",
            id="C-014 a key that is too long",
        ),
        pytest.param({"data": [ENTRY | {"secretKey": "A-b_c.1"}]}, "", id="C-014 a good key"),
        pytest.param(
            {"target": {"template": {"engineVersion": "v1"}}}, "Unsupported value", id="there is no first engine"
        ),
        pytest.param({"refreshInterval": "nonsense"}, "", id="any text is an interval for the schema"),
        *(
            pytest.param(
                {"syncWindows": {"kind": "deny", "windows": [{"schedule": schedule, "duration": "1h"}]}},
                told,
                id=f"C-015 schedule {schedule}",
            )
            for schedule, told in {
                "0 22 * * 1-5": "",
                "@daily": "",
                "@every 1h": "",
                "* * * *": "should match",
                "not-a-cron": "should match",
            }.items()
        ),
        pytest.param({"syncWindows": {"kind": "deny", "windows": []}}, "at least 1 items", id="C-015 no window"),
    ],
)
def test_what_an_external_secret_may_say(controlplane: ControlPlane, namespace: str, spec: Json, told: str) -> None:
    text = refusal(controlplane, namespace, "ExternalSecret", spec)
    assert bool(text) == bool(told), text
    assert told in text


FAKE: Json = {"fake": {"data": []}}
TOKEN: Json = {"tokenSecretRef": {"name": "t", "key": "k"}}
DOPPLER_TOKEN = {"dopplerToken": {"name": "doppler"}}
DOPPLER_OIDC = {"identity": "id", "serviceAccountRef": {"name": "doppler"}}
CA: Json = {"type": "Secret", "name": "ca", "key": "k"}
APP_ROLE: Json = {"secretRef": {"name": "s", "key": "k"}}
PAIR: Json = {"value": "v", "secretRef": {"name": "s", "key": "k"}}
VALUE: Json = {"value": "v"}
OBJECTS: Json = {"group": "", "kind": "ConfigMap", "version": "v1"}
ACCOUNT: Json = {"name": "a"}


def provided(**provider: Json) -> Json:
    return {"provider": provider}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("SecretStore", id="in a SecretStore"),
        pytest.param("ClusterSecretStore", id="in a ClusterSecretStore"),
    ],
)
@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param({"provider": {}}, "at least 1 properties", id="C-016 no provider"),
        pytest.param(provided(**FAKE, vault={"server": "s"}), "must have at most 1 item", id="C-016 two providers"),
        pytest.param({}, "spec.provider: Required value", id="C-016 no provider block at all"),
        pytest.param({"provider": FAKE, "refreshInterval": 300}, "", id="C-017 seconds"),
        pytest.param({"provider": FAKE, "refreshInterval": "5m"}, "", id="C-017 a duration"),
        pytest.param({"provider": FAKE}, "", id="C-017 no interval"),
        pytest.param({"provider": FAKE, "refreshInterval": True}, "refreshInterval", id="C-017 neither"),
        pytest.param(provided(vault={"path": "kv"}), "server: Required value", id="a vault needs its address"),
        pytest.param(
            provided(vault={"server": "s", "version": "v3"}), "Unsupported value", id="a vault has two versions"
        ),
        pytest.param(
            provided(vault={"server": "s", "auth": {"appRole": APP_ROLE}}),
            "",
            id="the mount of a vault's login has a default",
        ),
        pytest.param(
            provided(vault={"server": "s", "auth": {"kubernetes": {}}}),
            "role: Required value",
            id="a vault's kubernetes login needs a role",
        ),
        pytest.param(
            provided(aws={"service": "SecretsManager", "region": "r", "customSessionTags": {"esoNamespace": "n"}}),
            "customSessionTags cannot contain automatically injected reserved keys: esoNamespace, esoStoreName, "
            "esoStoreKind",
            id="C-309 reserved session tags",
        ),
        pytest.param(
            provided(aws={"service": "SecretsManager", "region": "r", "customSessionTags": {"team": "a"}}),
            "",
            id="other session tags",
        ),
        pytest.param(
            provided(crd={"resource": OBJECTS}), "one of auth or authRef is required", id="C-309 crd without a login"
        ),
        pytest.param(
            provided(crd={"resource": OBJECTS, "auth": {"serviceAccount": ACCOUNT}, "authRef": {"name": "a"}}),
            "at most one of the fields in [auth authRef] may be set",
            id="C-309 crd with two logins",
        ),
        pytest.param(provided(crd={"resource": OBJECTS, "authRef": {"name": "a"}}), "", id="crd with one login"),
        pytest.param(
            provided(doppler={"auth": {"secretRef": DOPPLER_TOKEN, "oidcConfig": DOPPLER_OIDC}}),
            "Exactly one of 'secretRef' or 'oidcConfig' must be specified",
            id="C-309 doppler with both",
        ),
        pytest.param(
            provided(doppler={"auth": {}}),
            "Exactly one of 'secretRef' or 'oidcConfig' must be specified",
            id="C-309 doppler with neither",
        ),
        pytest.param(provided(doppler={"auth": {"secretRef": DOPPLER_TOKEN}}), "", id="doppler with one"),
        pytest.param(
            provided(nebiusmysterybox={"apiDomain": "api.nebius.cloud:443", "auth": {}}),
            "either serviceAccountCredsSecretRef or tokenSecretRef must be set",
            id="C-309 nebius without a login",
        ),
        pytest.param(
            provided(
                onepasswordSDK={
                    "vault": "v",
                    "environment": "e",
                    "auth": {"serviceAccountSecretRef": {"name": "s", "key": "k"}},
                }
            ),
            "at most one of the fields in [vault environment] may be set",
            id="C-309 1Password with vault and environment",
        ),
        pytest.param(
            provided(openBao={"server": "s", "caBundle": "YQ==", "caProvider": CA}),
            "at most one of the fields in [caBundle caProvider] may be set",
            id="C-309 OpenBao with two authorities",
        ),
        pytest.param(
            provided(openBao={"server": "s", "auth": {}}),
            "exactly one of the fields in [appRole tokenSecretRef userPass] must be set",
            id="C-309 OpenBao without a login",
        ),
        pytest.param(
            provided(openBao={"server": "s", "auth": {**TOKEN, "userPass": {"username": "u"}}}),
            "exactly one of the fields in [appRole tokenSecretRef userPass] must be set",
            id="C-309 OpenBao with two logins",
        ),
        pytest.param(
            provided(openBao={"server": "s", "auth": {"appRole": APP_ROLE}}),
            "exactly one of the fields in [roleId roleRef] must be set",
            id="C-309 OpenBao without a role id",
        ),
        pytest.param(provided(openBao={"server": "s", "auth": TOKEN}), "", id="OpenBao with a token"),
        pytest.param(
            provided(pulumi={**PULUMI, "accessToken": {}, "auth": {"accessToken": {}}}),
            "Exactly one of 'auth' or deprecated 'accessToken' must be specified",
            id="C-309 pulumi with both tokens",
        ),
        pytest.param(
            provided(pulumi={**PULUMI, "auth": {"accessToken": {}, "oidcConfig": OIDC}}),
            "Exactly one of 'accessToken' or 'oidcConfig' must be specified",
            id="C-309 pulumi with two logins",
        ),
        pytest.param(
            provided(secretserver={"serverURL": "https://x", "username": VALUE}),
            "either token, or both username and password, must be set",
            id="C-309 half a login",
        ),
        pytest.param(
            provided(secretserver={"serverURL": "https://x", "username": PAIR, "password": VALUE}),
            "exactly one of value or secretRef must be set",
            id="C-309 a user name twice",
        ),
        pytest.param(
            provided(secretserver={"serverURL": "https://x", "username": VALUE, "password": {}}),
            "exactly one of value or secretRef must be set",
            id="C-309 an empty password",
        ),
        pytest.param(
            provided(secretserver={"serverURL": "https://x", "token": PAIR}),
            "exactly one of value or secretRef must be set",
            id="C-309 a token twice",
        ),
        pytest.param(provided(secretserver={"serverURL": "https://x", "token": VALUE}), "", id="a token once"),
    ],
)
def test_what_a_store_may_say(controlplane: ControlPlane, namespace: str, kind: str, spec: Json, told: str) -> None:
    text = refusal(controlplane, namespace, kind, spec)
    assert bool(text) == bool(told), text
    assert told in text


def test_a_provider_keeps_what_it_knows(controlplane: ControlPlane, namespace: str) -> None:
    spec = provided(vault={"server": "s", "auth": {"appRole": APP_ROLE}, "noMember": 1})
    created = controlplane.api.create("secretstores", namespace, thing("SecretStore", spec))
    assert created["spec"]["provider"]["vault"] == {
        "server": "s",
        "version": "v2",
        "auth": {"appRole": {**APP_ROLE, "path": "approle"}},
    }


# C-004
def test_c_004_field_selectors(controlplane: ControlPlane, namespace: str) -> None:
    first = {
        "secretStoreRef": {"name": "s1", "kind": "SecretStore"},
        "target": {"name": "t1"},
        "refreshInterval": "1m",
        "data": [ENTRY],
    }
    second = {
        "secretStoreRef": {"name": "s2", "kind": "ClusterSecretStore"},
        "target": {"name": "t2"},
        "refreshInterval": "2m",
        "data": [ENTRY],
    }
    made(controlplane, namespace, first, "one")
    made(controlplane, namespace, second, "two")
    for selector in (
        "spec.secretStoreRef.name=s2",
        "spec.secretStoreRef.kind=ClusterSecretStore",
        "spec.target.name=t2",
        "spec.refreshInterval=2m",
    ):
        found = controlplane.api.list("externalsecrets", namespace, fieldSelector=selector)
        assert [item["metadata"]["name"] for item in found] == ["two"], selector
    with pytest.raises(ApiRefused, match="field label not supported"):
        controlplane.api.list("secretstores", namespace, fieldSelector="spec.controller=x")


# C-019
def test_c_019_a_failed_first_sync_shows_an_empty_binding(controlplane: ControlPlane, namespace: str) -> None:
    made(controlplane, namespace, {"data": [ENTRY]})
    live = controlplane.api.get("externalsecrets", namespace, "x")
    assert live is not None
    status = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "refreshTime": None,
        "binding": {},
        "observedGeneration": 1,
    }
    found = controlplane.api.replace(
        "externalsecrets", namespace, "x", live | {"status": status}, subresource="status"
    )["status"]
    assert found == status | {"binding": {"name": ""}}


@pytest.mark.parametrize(
    ("plural", "columns"),
    [
        pytest.param(
            "externalsecrets",
            ["NAME", "STORETYPE", "STORE", "REFRESH INTERVAL", "STATUS", "READY", "LAST SYNC"],
            id="C-003 ExternalSecrets",
        ),
        pytest.param("secretstores", ["NAME", "AGE", "STATUS", "CAPABILITIES", "READY"], id="C-003 SecretStores"),
        pytest.param(
            "clustersecretstores", ["NAME", "AGE", "STATUS", "CAPABILITIES", "READY"], id="C-003 ClusterSecretStores"
        ),
        pytest.param(
            "clusterexternalsecrets", ["NAME", "STORE", "REFRESH INTERVAL", "READY"], id="C-003 ClusterExternalSecrets"
        ),
    ],
)
def test_kubectl_get_shows_the_columns(controlplane: ControlPlane, plural: str, columns: list[str]) -> None:
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    answer = controlplane.api.session.get(
        controlplane.server + controlplane.api.path(plural), headers=accept, timeout=180
    )
    assert [c["name"].upper() for c in answer.json()["columnDefinitions"]] == columns


def test_a_member_with_another_type_is_refused(controlplane: ControlPlane, namespace: str) -> None:
    with pytest.raises((ApiRefused, KubectlFailed), match="must be of type"):
        made(controlplane, namespace, {"data": "text"})
