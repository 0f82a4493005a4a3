"""manifests/policies on a real API server: what they refuse, what they let pass, and that our own writes do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from e2e.harness.cluster import MANIFESTS, MERGE_PATCH, Api, ApiRefused, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import cluster_secret_store, external_secret, fake_provider, secret_store, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually
from tests.harness.inprocess import SYSTEM

pytestmark = pytest.mark.real

POLICIES = MANIFESTS / "policies"
SUSPEND = "extensions.external-secrets.io/suspend"
CONSENT = "extensions.external-secrets.io/tokens"
ACCOUNTS = "extensions.external-secrets.io/token-accounts"
VAULT: Json = {"server": "https://vault.example.com:8200/", "path": "kv", "auth": {}}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One of its own: a policy binds whoever writes, also other tests."""
    with ControlPlane() as made:
        made.apply_manifests()
        made.create_namespace("shop")
        made.create_namespace("other")
        yield made


@pytest.fixture(scope="module")
def operator(plane: ControlPlane) -> Iterator[LocalOperator]:
    with LocalOperator(plane) as running:
        yield running


def install(plane: ControlPlane, name: str) -> None:
    plane.kubectl("apply", "--server-side", "-k", str(POLICIES / name))


def uninstall(plane: ControlPlane, name: str) -> None:
    plane.kubectl("delete", "-k", str(POLICIES / name))


def refused(api: Api, verb: str, path: str, body: Json, words: str) -> bool:
    """Whether the request is refused with these words. Policies and their parameters come into force a little later."""
    kind = MERGE_PATCH if verb == "PATCH" else "application/json"
    try:
        api.request(verb, path, body, content_type=kind)
    except ApiRefused as error:
        assert words in str(error)
        return True
    return False


def passes(api: Api, verb: str, path: str, body: Json) -> bool:
    kind = MERGE_PATCH if verb == "PATCH" else "application/json"
    api.request(verb, path, body, content_type=kind)
    return True


def soon_refused(api: Api, verb: str, path: str, body: Json, words: str) -> None:
    eventually(lambda: refused(api, verb, path, body, words), 30, what=f"{path} is refused")


def soon_passes(api: Api, verb: str, path: str, body: Json) -> None:
    eventually(lambda: passes(api, verb, path, body), 30, what=f"{path} passes")


# -- tokens -----------------------------------------------------------------------------------------------------------


def token(namespace: str, account: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"


def request_for(*audiences: str) -> Json:
    spec: Json = {"expirationSeconds": 600}
    if audiences:
        spec["audiences"] = list(audiences)
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


def test_the_operator_requests_tokens_of_tenants_and_none_that_rule_the_cluster(plane: ControlPlane) -> None:
    ours = plane.api_as(SYSTEM, "external-secrets")
    soon_refused(ours, "POST", token("kube-system", "default"), request_for(), "requests no tokens in kube-system")
    soon_refused(ours, "POST", token("kube-public", "default"), request_for("vault"), "no tokens in kube-public")
    for account in ("default", "external-secrets"):
        for audiences in (
            (),
            ("https://kubernetes.default.svc.cluster.local",),
            ("vault", "https://kubernetes.default.svc"),
            ("https://container.googleapis.com/v1/projects/p",),
        ):
            body = request_for(*audiences)
            soon_refused(ours, "POST", token(SYSTEM, account), body, "lies in the operator's namespace")
        assert passes(ours, "POST", token(SYSTEM, account), request_for("sts.amazonaws.com"))
    assert passes(ours, "POST", token("shop", "default"), request_for())
    plane.apply([thing("ServiceAccount", "login", SYSTEM, api="v1")])
    plane.api.patch("namespaces", "", SYSTEM, {"metadata": {"annotations": {ACCOUNTS: "other, login"}}})
    soon_passes(ours, "POST", token(SYSTEM, "login"), request_for())
    soon_refused(ours, "POST", token(SYSTEM, "default"), request_for(), "lies in the operator's namespace")
    # nobody else is bound
    assert plane.token("kube-system", "default")


@pytest.mark.parametrize(
    ("namespace", "account", "query", "change", "words"),
    [
        pytest.param("kube-system", "default", "?dryRun=All", {}, "no tokens in kube-system", id="a dry run"),
        pytest.param(
            "kube-system", "default", "", {"metadata": {"namespace": "shop"}}, "", id="the body names another namespace"
        ),
        pytest.param(
            "kube-system", "default", "", {"metadata": {"generateName": "x-"}}, "in kube-system", id="a name to come"
        ),
        pytest.param(
            "kube-system", "default", "", {"spec": {"audiences": ["vault"]}}, "in kube-system", id="for a backend"
        ),
        pytest.param(
            "kube-system",
            "default",
            "",
            {"spec": {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "x"}}},
            "in kube-system",
            id="bound to an object",
        ),
        pytest.param(SYSTEM, "default", "", {"spec": {"audiences": None}}, "operator's namespace", id="no audiences"),
        pytest.param(SYSTEM, "default", "", {"spec": {"audiences": []}}, "operator's namespace", id="empty audiences"),
        pytest.param(
            SYSTEM,
            "default",
            "",
            {"spec": {"audiences": ["vault", "https://x.hcp.westeurope.azmk8s.io"]}},
            "operator's namespace",
            id="Azure's name of its API servers",
        ),
        pytest.param(
            SYSTEM, "default", "", {"metadata": {"name": "login"}}, "", id="the body names an account that is lent"
        ),
    ],
)
def test_no_form_of_a_token_request_gets_past_the_policy(
    plane: ControlPlane, namespace: str, account: str, query: str, change: Json, words: str
) -> None:
    ours = plane.api_as(SYSTEM, "external-secrets")
    body = request_for()
    for part, members in change.items():
        body[part] = {**body.get(part, {}), **members}
    soon_refused(ours, "POST", token("kube-system", "default"), request_for(), "requests no tokens in kube-system")
    assert refused(ours, "POST", token(namespace, account) + query, body, words)


def test_a_namespace_whose_name_begins_like_that_of_the_system_is_a_tenant(plane: ControlPlane) -> None:
    plane.create_namespace("kube-system-x")
    assert passes(plane.api_as(SYSTEM, "external-secrets"), "POST", token("kube-system-x", "default"), request_for())


@pytest.mark.parametrize("kind", ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])
def test_the_operator_makes_and_edits_no_secret_that_becomes_a_token(plane: ControlPlane, kind: str) -> None:
    ours, path = plane.api_as(SYSTEM, "external-secrets"), "/api/v1/namespaces/{}/secrets"
    name = kind.partition(".")[0]
    notes = {"kubernetes.io/service-account.name": "default"}
    body: Json = {"metadata": {"name": name, "annotations": notes}, "type": kind}
    for namespace in ("kube-system", "shop"):
        soon_refused(ours, "POST", path.format(namespace), body, f"writes no Secrets of type {kind}")
    assert refused(ours, "POST", path.format("shop") + "?dryRun=All", body, "writes no Secrets")
    plane.api.create("secrets", "shop", body)  # nobody else is bound
    other = {"metadata": {"annotations": {"kubernetes.io/service-account.name": "other"}}}
    assert refused(ours, "PATCH", path.format("shop") + f"/{name}", other, "writes no Secrets")
    usual = {"metadata": {"name": "usual"}, "type": "Opaque"}
    assert passes(ours, "POST", path.format("shop") + "?dryRun=All", usual)
    plane.api.delete("secrets", "shop", name)


def test_where_consent_is_switched_on_an_account_without_it_lends_no_token(plane: ControlPlane) -> None:
    ours = plane.api_as(SYSTEM, "external-secrets")
    install(plane, "token-consent")
    try:
        plane.apply([thing("ServiceAccount", "willing", "shop", api="v1")])
        soon_refused(ours, "POST", token("shop", "default"), request_for("vault"), "does not consent")
        plane.api.patch("serviceaccounts", "shop", "willing", {"metadata": {"labels": {CONSENT: "allowed"}}})
        soon_passes(ours, "POST", token("shop", "willing"), request_for())
        plane.api.patch("serviceaccounts", "shop", "willing", {"metadata": {"labels": {CONSENT: "no"}}})
        soon_refused(ours, "POST", token("shop", "willing"), request_for(), "does not consent")
    finally:
        uninstall(plane, "token-consent")


# -- managed Secrets --------------------------------------------------------------------------------------------------


def value(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def edit(key: str = "password", text: str = "edited") -> Json:
    return {"data": {key: value(text)}}


SECRET = "/api/v1/namespaces/shop/secrets/app"
DRY = f"{SECRET}?dryRun=All"  # the operator sees nothing of it, so that it has nothing to correct


@pytest.fixture
def app(plane: ControlPlane, operator: LocalOperator) -> Iterator[None]:
    """A Secret of which an ExternalSecret writes `password`, and somebody else `theirs`."""
    body = {"metadata": {"name": "app", "namespace": "shop"}, "data": {"theirs": value("1")}}
    plane.api.create("secrets", "shop", body)
    target = {"creationPolicy": "CreateOrMerge"}
    plane.apply(
        [
            secret_store("shop", fake_provider({"a": "1", "b": "2"})),
            external_secret("shop", "app", {"password": "a"}, target=target),
            external_secret("shop", "neighbour", {"password": "b"}),
        ]
    )
    for name in ("app", "neighbour"):
        plane.wait_ready("externalsecrets", "shop", name)
    yield
    for name in ("app", "neighbour"):
        plane.api.delete("externalsecrets", "shop", name)
        eventually(lambda name=name: plane.api.get("externalsecrets", "shop", name) is None, 30, what="it is gone")
    plane.api.delete("secrets", "shop", "app")


def corrected(plane: ControlPlane) -> bool:
    return (plane.secret("shop", "app") or {}).get("password") == "1"


def warning(api: Api, body: Json) -> str:
    reply = api.session.patch(
        api.credentials.server + DRY, json=body, headers={"Content-Type": MERGE_PATCH}, timeout=180
    )
    assert reply.status_code == 200, reply.text
    return reply.headers.get("Warning", "")


def test_an_edit_of_a_managed_secret_is_answered_with_a_warning(plane: ControlPlane, app: None) -> None:
    install(plane, "managed-secrets-warn")
    try:
        words = "key password of this Secret is written by an ExternalSecret"
        eventually(lambda: words in warning(plane.api, edit()), 30, what="the warning")
        assert warning(plane.api, edit("theirs")) == ""
        assert warning(plane.api, {"metadata": {"annotations": {"a": "b"}}}) == ""
        unlabelled = {"metadata": {"labels": {"reconcile.external-secrets.io/managed": None}}}
        assert "the label reconcile.external-secrets.io/managed" in warning(plane.api, unlabelled)
        plane.api.request("PATCH", SECRET, edit(), content_type=MERGE_PATCH)
        eventually(lambda: corrected(plane), 30, what="the edit is taken back")
    finally:
        uninstall(plane, "managed-secrets-warn")


def test_an_edit_of_a_managed_secret_is_refused_but_in_an_emergency_or_a_pause(
    plane: ControlPlane, operator: LocalOperator, app: None
) -> None:
    install(plane, "managed-secrets-deny")
    try:
        words = "key password of this Secret is written by the ExternalSecret app"
        soon_refused(plane.api, "PATCH", DRY, edit(), words)
        unlabelled = {"metadata": {"labels": {"reconcile.external-secrets.io/managed": None}}}
        assert refused(plane.api, "PATCH", SECRET, unlabelled, "the label reconcile.external-secrets.io/managed")
        assert refused(plane.api, "PATCH", SECRET, {"data": {"password": None}}, words)
        assert passes(plane.api, "PATCH", SECRET, edit("theirs"))
        # our own writes: a value that changed at its source
        store = secret_store("shop", fake_provider({"a": "1", "b": "2"}))["spec"]
        store["provider"]["fake"]["data"][0]["value"] = "new"
        plane.api.patch("secretstores", "shop", "store", {"spec": store})
        plane.api.patch("externalsecrets", "shop", "app", {"metadata": {"annotations": {"force-sync": "1"}}})
        eventually(lambda: (plane.secret("shop", "app") or {}).get("password") == "new", 30, what="our own write")
        # an emergency
        emergency = ("--as=somebody", "--as-group=external-secrets:break-glass", "--as-group=system:masters")
        plane.kubectl("-n", "shop", "patch", "secret", "app", *emergency, "-p", '{"stringData":{"password":"x"}}')
        # a pause, which ends
        later, earlier = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, -1))
        for pause in ("true", f"{later:%Y-%m-%dT%H:%M:%SZ}", f"{later:%Y-%m-%dT%H:%M:%S+00:00}"):
            suspend(plane, pause)
            soon_passes(plane.api, "PATCH", DRY, edit())
        for over in ("false", f"{earlier:%Y-%m-%dT%H:%M:%SZ}", "until tomorrow"):
            suspend(plane, over)
            soon_refused(plane.api, "PATCH", DRY, edit(), words)
    finally:
        suspend(plane, None)
        uninstall(plane, "managed-secrets-deny")
    assert [each.what for each in plane.audit.forbidden(user=operator.user)] == []


def suspend(plane: ControlPlane, until: str | None) -> None:
    plane.api.patch("externalsecrets", "shop", "app", {"metadata": {"annotations": {SUSPEND: until}}})


# -- stores -----------------------------------------------------------------------------------------------------------

STORES = "/apis/external-secrets.io/v1/namespaces/{}/secretstores?dryRun=All"
CLUSTER_STORES = "/apis/external-secrets.io/v1/clustersecretstores?dryRun=All"


def test_stores_are_confined_to_namespaces(plane: ControlPlane, operator: LocalOperator) -> None:
    plane.apply([secret_store("other", fake_provider({"a": "1"}), name="was-there")])
    plane.wait_ready("secretstores", "other", "was-there")
    plane.api.patch(
        "namespaces", "", "shop", {"metadata": {"labels": {"extensions.external-secrets.io/stores": "allowed"}}}
    )
    install(plane, "stores-in-namespaces")
    try:
        body = secret_store("other", fake_provider({"a": "1"}), name="new")
        soon_refused(plane.api, "POST", STORES.format("other"), body, "no SecretStores in namespace other")
        body["metadata"]["namespace"] = "shop"
        soon_passes(plane.api, "POST", STORES.format("shop"), body)
        everywhere = cluster_secret_store("everywhere", fake_provider({"a": "1"}))
        assert refused(plane.api, "POST", CLUSTER_STORES, everywhere, "without conditions serves every namespace")
        everywhere["spec"]["conditions"] = [{"namespaces": ["shop"]}]
        assert passes(plane.api, "POST", CLUSTER_STORES, everywhere)
        # what is there can be annotated, held and deleted
        plane.api.patch("secretstores", "other", "was-there", {"metadata": {"annotations": {"a": "b"}}})
        plane.api.delete("secretstores", "other", "was-there")
    finally:
        uninstall(plane, "stores-in-namespaces")


@pytest.mark.parametrize(
    ("provider", "strange"),
    [
        pytest.param({"vault": VAULT}, "", id="a host of the list, whatever its port"),
        pytest.param({"vault": VAULT | {"server": "https://VAULT.example.com"}}, "", id="case does not count"),
        pytest.param({"azurekv": {"vaultUrl": "https://a.vault.azure.net"}}, "", id="below a host of the list"),
        pytest.param(fake_provider({"a": "1"}), "", id="no host at all"),
        pytest.param({"vault": VAULT | {"server": "https://evil.example"}}, "evil.example", id="another host"),
        pytest.param(
            {"vault": VAULT | {"server": "https://vault.example.com@evil.example"}}, "evil.example", id="a user's name"
        ),
        pytest.param(
            {"vault": VAULT | {"server": "https://vault.example.com.evil.example"}},
            "vault.example.com.evil.example",
            id="a longer name",
        ),
        pytest.param({"azurekv": {"vaultUrl": "https://vault.azure.net"}}, "vault.azure.net", id="not below it"),
        pytest.param({"vault": VAULT | {"server": "vault.example.com:8200"}}, "vault.example.com:8200", id="no URL"),
        pytest.param(
            {"ibm": {"auth": {"containerAuth": {"profile": "p", "iamEndpoint": "https://evil.example"}}}},
            "evil.example",
            id="where a token is asked for",
        ),
    ],
)
def test_stores_are_confined_to_hosts(plane: ControlPlane, on_hosts: None, provider: Json, strange: str) -> None:
    body = secret_store("shop", provider, name="new")
    if strange:
        soon_refused(plane.api, "POST", STORES.format("shop"), body, f"no store may name {strange}:")
    else:
        soon_passes(plane.api, "POST", STORES.format("shop"), body)


@pytest.fixture(scope="module")
def on_hosts(plane: ControlPlane) -> Iterator[None]:
    install(plane, "stores-on-hosts")
    body = secret_store("shop", {"vault": VAULT | {"server": "https://first.example"}}, name="first")
    soon_refused(plane.api, "POST", STORES.format("shop"), body, "no store may name first.example")
    yield
    uninstall(plane, "stores-on-hosts")
