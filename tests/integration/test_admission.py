"""The admission webhook behind the real API server: what users see, while it runs, while it is away, while its
certificate changes."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from e2e.harness.cluster import Api, ApiRefused, Cluster, Json, KubectlFailed
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, fake_provider, push_secret, secret_store, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually
from e2e.harness.webhook import LocalWebhook, asked, configure

pytestmark = pytest.mark.real

E3 = "either data or dataFrom should be specified"
DENIED = 'admission webhook "validate.{}.external-secrets.io" denied the request: {}'


@pytest.fixture
def reviewed(cluster: Cluster, admission: LocalWebhook) -> Iterator[Api]:
    """The API server asks the webhook, for one test: others configure it in their own way."""
    with asked(cluster, admission):
        yield cluster.api


def create(api: Api, plural: str, namespace: str, body: Json, query: str = "?dryRun=All") -> Json:
    return api.request("POST", api.path(plural, namespace) + query, body)


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(ApiRefused) as raised:
        act()
    return str(raised.value)


def broken(namespace: str, name: str = "broken") -> Json:
    return external_secret(namespace, name, {})


# C-299, C-301
def test_c_299_c_301_what_is_stored_already_can_go_and_its_status_can_be_written(
    cluster: Cluster, admission: LocalWebhook, namespace: str
):
    api = cluster.api
    for name in ("goes", "stays"):
        create(api, "externalsecrets", namespace, broken(namespace, name), "")
    with asked(cluster, admission):
        assert E3 in refusal(lambda: create(api, "externalsecrets", namespace, broken(namespace)))
        api.delete("externalsecrets", namespace, "goes")
        assert api.get("externalsecrets", namespace, "goes") is None
        status = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "x", "message": "x"}]}}
        api.patch("externalsecrets", namespace, "stays", status, subresource="status")
        edit = {"metadata": {"labels": {"a": "b"}}}
        assert E3 in refusal(lambda: api.patch("externalsecrets", namespace, "stays", edit))


def test_an_invalid_object_with_a_finalizer_goes_once_it_is_being_deleted(
    cluster: Cluster, admission: LocalWebhook, namespace: str
):
    body = broken(namespace)
    body["metadata"]["finalizers"] = ["example.com/keep"]
    create(cluster.api, "externalsecrets", namespace, body, "")
    with asked(cluster, admission):
        api = cluster.api
        assert E3 in refusal(
            lambda: api.patch("externalsecrets", namespace, "broken", {"metadata": {"finalizers": []}})
        )
        api.delete("externalsecrets", namespace, "broken")
        api.patch("externalsecrets", namespace, "broken", {"metadata": {"finalizers": []}})
        assert api.get("externalsecrets", namespace, "broken") is None


def fake(kind: str, namespace: str = "", **provider: Any) -> Json:
    return thing(kind, "store", namespace, spec={"provider": provider or fake_provider({"k": "v"})})


def password(namespace: str = "") -> Json:
    api = "generators.external-secrets.io/v1alpha1"
    return thing("ClusterGenerator", "g", api=api, spec={"kind": "Password", "generator": {"uuidSpec": {}}})


@pytest.mark.parametrize(
    ("plural", "make", "hook", "text"),
    [
        pytest.param("externalsecrets", broken, "externalsecret", E3, id="an ExternalSecret"),
        pytest.param(
            "secretstores",
            lambda ns: secret_store(ns, fake_provider({"k": "v"}), refreshInterval="-5m"),
            "secretstore",
            'invalid refreshInterval "-5m": must not be negative',
            id="a SecretStore",
        ),
        pytest.param(
            "clustersecretstores",
            lambda _: thing(
                "ClusterSecretStore",
                "store",
                spec={"provider": fake_provider({"k": "v"}), "conditions": [{"namespaceRegexes": ["("]}]},
            ),
            "clustersecretstore",
            "failed to compile 0th namespace regex in 0th condition: error parsing regexp: missing closing ): `(`",
            id="a ClusterSecretStore",
        ),
        pytest.param(
            "pushsecrets",
            lambda ns: push_secret(ns, "p", {}, source="s", refreshInterval="soon"),
            "pushsecret",
            'time: invalid duration "soon"',
            id="a PushSecret",
        ),
        pytest.param(
            "clustergenerators",
            password,
            "clustergenerator",
            "invalid ClusterGenerator: when kind is Password, PasswordSpec must be set",
            id="a ClusterGenerator",
        ),
    ],
)
def test_each_kind_is_refused_in_the_name_of_its_hook(
    reviewed: Api, namespace: str, plural: str, make: Callable[[str], Json], hook: str, text: str
):
    body = make(namespace)
    where = namespace if body["metadata"].get("namespace") else ""
    assert DENIED.format(hook, text) in refusal(lambda: create(reviewed, plural, where, body))


def test_kubectl_shows_the_refusal_and_the_warning(reviewed: Api, cluster: Cluster, namespace: str):
    with pytest.raises(KubectlFailed, match=E3):
        cluster.apply([broken(namespace)])
    said = cluster.kubectl(
        "apply",
        "--server-side",
        "-f",
        "-",
        "--warnings-as-errors=false",
        input=json.dumps(fake("SecretStore", namespace)),
    )
    assert "secretstore.external-secrets.io/store" in said
    with pytest.raises(KubectlFailed, match="store store isn't currently maintained"):
        edited = secret_store(namespace, fake_provider({"k": "w"}))
        cluster.kubectl("apply", "--server-side", "-f", "-", "--warnings-as-errors", input=json.dumps(edited))


def test_while_nobody_answers_the_failure_policy_decides(cluster: Cluster, controlplane: ControlPlane, namespace: str):
    away = LocalWebhook(controlplane.folder, name="away")
    good = external_secret(namespace, "good", {"a": "k"})
    with asked(cluster, away):
        said = refusal(lambda: create(cluster.api, "externalsecrets", namespace, good))
        assert 'failed calling webhook "validate.externalsecret.external-secrets.io"' in said
        for configuration in away.configurations(failure_policy="Ignore"):
            configure(cluster.api, configuration)
        eventually(lambda: create(cluster.api, "externalsecrets", namespace, good), 30, what="an object admitted")
        create(cluster.api, "externalsecrets", namespace, broken(namespace))


def test_a_ca_that_the_api_server_does_not_trust_is_a_failure_and_no_verdict(
    cluster: Cluster, admission: LocalWebhook, controlplane: ControlPlane, namespace: str
):
    stranger = LocalWebhook(controlplane.folder, name="stranger")
    (configuration,) = (
        one for one in admission.configurations() if one["metadata"]["name"] == "externalsecret-validate"
    )
    bundle = base64.b64encode(stranger.authority.cert.read_bytes()).decode()
    configuration["webhooks"][0]["clientConfig"]["caBundle"] = bundle
    with asked(cluster, admission):
        configure(cluster.api, configuration)
        good = external_secret(namespace, "good", {"a": "k"})

        def refused() -> bool:
            try:
                create(cluster.api, "externalsecrets", namespace, good)
            except ApiRefused as error:
                return "failed calling webhook" in str(error) and "x509" in str(error)
            return False

        eventually(refused, 30, what="the API server distrusts the webhook")


def test_the_certificate_changes_while_two_hundred_reviews_run(
    cluster: Cluster, reviewed: Api, admission: LocalWebhook, namespace: str
):
    good, bad = external_secret(namespace, "good", {"a": "k"}), broken(namespace)
    done = threading.Event()
    before = admission.metrics().sum("certwatcher_read_certificate_total")

    def renew() -> None:
        while not done.wait(0.2):
            admission.renew()

    def review(number: int) -> None:
        create(cluster.api, "externalsecrets", namespace, good)
        assert E3 in refusal(lambda: create(cluster.api, "externalsecrets", namespace, bad))

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            for one in [pool.submit(review, number) for number in range(100)]:
                one.result()
    finally:
        done.set()
        renewing.join()
    admission.renew()
    eventually(
        lambda: admission.metrics().sum("certwatcher_read_certificate_total") > before, 30, what="a certificate read"
    )
    eventually(lambda: admission.probe("readyz") == 200, 30, what="the webhook ready")
    create(cluster.api, "externalsecrets", namespace, good)


def test_thousands_of_silent_connections_cost_bounded_memory_and_keep_nobody_out(tmp_path: Path):
    with LocalWebhook(tmp_path) as webhook:
        trust = ssl.create_default_context(cafile=str(webhook.authority.cert))
        held: list[socket.socket] = []

        def answered() -> bool:
            with socket.create_connection(("127.0.0.1", webhook.port), 30) as plain:
                with trust.wrap_socket(plain, server_hostname="localhost") as secure:
                    secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    return secure.recv(100).startswith(b"HTTP/1.1 404")

        for number in range(3000):
            stranger = socket.socket()
            stranger.settimeout(5)
            with contextlib.suppress(OSError):  # it was told to make room already
                stranger.connect(("127.0.0.1", webhook.port))
            if number < 500:  # as many as this process may hold open
                held.append(stranger)
            else:
                stranger.close()
            assert number % 300 or answered()
        for one in held:
            one.close()
        status = Path(f"/proc/{webhook.child.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0])
        assert peak < 450_000, f"{peak} kB at its peak"


def test_the_operator_works_behind_its_own_webhook(reviewed: Api, cluster: Cluster, namespace: str):
    """Its finalizers, status and children pass; a child that the webhook refuses is told on its parent."""
    cluster.api.patch("namespaces", "", namespace, {"metadata": {"labels": {"admission": namespace}}})
    select = {"matchLabels": {"admission": namespace}}
    store = {"secretStoreRef": {"name": "store"}, "refreshInterval": "1h"}
    entry = {"secretKey": "a", "remoteRef": {"key": "k"}}
    children = {
        f"{namespace}-good": {"data": [entry]},
        f"{namespace}-bad": {"data": [entry], "target": {"deletionPolicy": "Delete", "creationPolicy": "Merge"}},
    }
    with LocalOperator(cluster, name="behind-the-webhook", args={"enable-leader-election": "false"}):
        cluster.apply(
            [
                secret_store(namespace, fake_provider({"k": "v"})),
                *(
                    thing(
                        "ClusterExternalSecret",
                        name,
                        spec={"namespaceSelectors": [select], "externalSecretSpec": store | spec},
                    )
                    for name, spec in children.items()
                ),
            ]
        )
        try:
            eventually(lambda: cluster.secret(namespace, f"{namespace}-good") == {"a": "v"}, 60, what="the Secret")

            def told() -> bool:
                found = cluster.api.get("clusterexternalsecrets", "", f"{namespace}-bad") or {}
                return "denied the request: deletionPolicy=Delete must not be used" in json.dumps(
                    found.get("status", {})
                )

            eventually(told, 60, what="the refusal on the parent")
        finally:
            for name in children:
                cluster.api.delete("clusterexternalsecrets", "", name)
        eventually(
            lambda: not cluster.api.list("externalsecrets", namespace), 60, what="the children and finalizers gone"
        )
