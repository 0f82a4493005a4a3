"""What `eso doctor` makes of a cluster: each check on clusters that are well and on clusters that are not."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from e2e.harness.certs import Authority
from e2e.harness.cluster import REPO
from eso.api.crds.kinds import KINDS
from eso.app.main import run
from eso.cli import doctor
from eso.cli.checkup import RIGHTS, Facts, Finding, State, Unseen, findings, flag, worst
from eso.cli.doctor import allowed, as_json, as_table, controllers, elected, exit_code

NOW = datetime.now(UTC)
SERVICE = "eso/external-secrets-webhook"


def crd(plural: str, group: str, version: str, **more: object) -> dict:
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"versions": [{"name": version, "served": True}], **more},
        "status": {"storedVersions": [version]},
    }


def deployment(name: str = "external-secrets", *args: str, namespace: str = "eso", ready: int = 1) -> dict:
    pod = {"serviceAccountName": "external-secrets", "containers": [{"image": "eso:1", "args": list(args)}]}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "template": {"spec": pod}},
        "status": {"readyReplicas": ready},
    }


def lease(seconds_ago: float = 3, holder: str = "pod-1") -> dict:
    renewed = (NOW - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")
    return {
        "metadata": {"name": "external-secrets-controller", "namespace": "eso"},
        "spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15},
    }


def hook(bundle: bytes, policy: str = "Fail") -> dict:
    return {
        "metadata": {"name": "externalsecret-validate"},
        "webhooks": [
            {
                "name": "validate.externalsecret.external-secrets.io",
                "failurePolicy": policy,
                "rules": [{"apiGroups": ["external-secrets.io"]}],
                "clientConfig": {
                    "caBundle": base64.b64encode(bundle).decode(),
                    "service": {"namespace": "eso", "name": "external-secrets-webhook"},
                },
            }
        ],
    }


def endpoints(ready: bool = True) -> dict:
    labels = {"kubernetes.io/service-name": "external-secrets-webhook"}
    return {"metadata": {"namespace": "eso", "labels": labels}, "endpoints": [{"conditions": {"ready": ready}}]}


def store(name: str, status: str = "True", **spec: str) -> dict:
    conditions = [{"type": "Ready", "status": status}] if status else []
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": spec, "status": {"conditions": conditions}}


WELL = Facts(
    now=NOW,
    version="v1.33.1",
    server_time=NOW,
    crds=[crd(kind.resource.plural, kind.resource.group, kind.resource.version) for kind in KINDS],
    deployments=[deployment("external-secrets", "--enable-leader-election=true")],
    leases=[lease()],
    webhooks=[],
    slices=[endpoints()],
    objects={"SecretStore": [store("vault")], "ExternalSecret": []},
    refused={"eso/external-secrets": []},
)


def told(facts: Facts, check: str) -> list[Finding]:
    return [one for one in findings(facts) if one.check == check]


def test_a_cluster_that_is_well_has_no_other_finding() -> None:
    assert {one.state for one in findings(WELL)} == {State.OK}
    assert worst(findings(WELL)) is State.OK


@pytest.mark.parametrize(
    ("change", "check", "state", "text"),
    [
        pytest.param({"server_time": NOW - timedelta(seconds=5)}, "clock", State.WARN, "5 s apart", id="a clock"),
        pytest.param(
            {"server_time": NOW + timedelta(hours=1)}, "clock", State.FAIL, "3600 s apart", id="a wrong clock"
        ),
        pytest.param({"server_time": None}, "clock", State.SKIP, "no date", id="no date"),
        pytest.param({"crds": WELL.crds[1:]}, "CRDs", State.FAIL, "not installed: externalsecrets.", id="a CRD"),
        pytest.param(
            {"crds": [{**WELL.crds[0], "spec": {"versions": [{"name": "v1beta1", "served": True}]}}, *WELL.crds[1:]]},
            "CRDs",
            State.FAIL,
            "the version in use is not served: externalsecrets.",
            id="an old CRD",
        ),
        pytest.param({"crds": Unseen("cannot list")}, "CRDs", State.SKIP, "cannot list", id="CRDs unseen"),
        pytest.param({"deployments": []}, "controller", State.FAIL, "no Deployment", id="no controller"),
        pytest.param(
            {"deployments": [deployment(ready=0)]}, "controller", State.FAIL, "no ready pod (eso:1)", id="not ready"
        ),
        pytest.param(
            {"deployments": [deployment(), deployment(namespace="other")]},
            "controller",
            State.FAIL,
            "eso/external-secrets, other/external-secrets reconcile the same objects (all namespaces, class default)",
            id="two controllers",
        ),
        pytest.param(
            {"refused": {"eso/external-secrets": ["patch secrets"]}},
            "rights",
            State.FAIL,
            "may not patch secrets",
            id="a right is missing",
        ),
        pytest.param({"refused": {"a/b": Unseen("no")}}, "rights", State.SKIP, "no", id="rights unseen"),
        pytest.param({"leases": [lease(60)]}, "leader", State.FAIL, "renewed 60 s ago", id="a dead leader"),
        pytest.param({"leases": [lease(holder="")]}, "leader", State.WARN, "nobody holds", id="no leader"),
        pytest.param(
            {"objects": {"SecretStore": [store("a", "False"), store("b")]}},
            "SecretStore",
            State.WARN,
            "1 of 2 are not ready: shop/a",
            id="a store that is not ready",
        ),
        pytest.param(
            {"objects": {"SecretStore": [store(f"s{number}", "") for number in range(7)]}},
            "SecretStore",
            State.WARN,
            "7 of 7 have no condition yet: shop/s0, shop/s1, shop/s2, shop/s3, shop/s4 and 2 more",
            id="stores nobody looked at",
        ),
    ],
)
def test_a_fault_is_found_and_comes_with_what_to_do(change: dict, check: str, state: State, text: str) -> None:
    (found,) = [one for one in told(replace(WELL, **change), check) if one.state is not State.OK]
    assert found.state is state and text in found.told
    assert found.fix or state in (State.SKIP, State.WARN)


def test_a_kind_that_is_ours_alone_need_not_be_installed() -> None:
    bare = [one for one in WELL.crds if not one["metadata"]["name"].endswith("extensions.external-secrets.io")]
    assert len(bare) < len(WELL.crds)
    assert {one.state for one in told(replace(WELL, crds=bare), "CRDs")} == {State.OK}


@pytest.mark.parametrize(
    ("others", "state", "text"),
    [
        pytest.param(
            [deployment("two", "--namespace", "shop")],
            State.FAIL,
            "eso/external-secrets, eso/two reconcile the same objects (namespace shop, class default)",
            id="one for all namespaces and one for one of them",
        ),
        pytest.param(
            [deployment("two", "--controller-class=two")],
            State.WARN,
            "eso/external-secrets, eso/two reconcile the stores that name no spec.controller "
            "(all namespaces): shop/vault",
            id="two classes, and a store that names none",
        ),
    ],
)
def test_controllers_that_meet_are_told(others: list[dict], state: State, text: str) -> None:
    facts = replace(WELL, deployments=[*WELL.deployments, *others])
    (found,) = [one for one in told(facts, "controller") if one.state is not State.OK]
    assert (found.state, found.told) == (state, text) and found.fix


def test_controllers_of_other_classes_or_namespaces_do_not_meet() -> None:
    one, two = deployment("one", "--namespace=a"), deployment("two", "--namespace", "b")
    assert {each.state for each in told(replace(WELL, deployments=[one, two]), "controller")} == {State.OK}
    classed = {"SecretStore": [store("vault", controller="two")]}
    both = [deployment(), deployment("two", "--controller-class=two")]
    assert {each.state for each in told(replace(WELL, deployments=both, objects=classed), "controller")} == {State.OK}


@pytest.mark.parametrize(
    ("deployments", "leases", "text"),
    [
        pytest.param([deployment()], [lease(9999)], "no running controller elects by it", id="a Lease that was left"),
        pytest.param(WELL.deployments, [], "nobody made the Lease eso/external-secrets-controller", id="no Lease"),
        pytest.param(
            [deployment("x", "--enable-leader-election", "--leader-election-id=own")],
            [],
            "nobody made the Lease eso/own",
            id="no Lease of a name of one's own",
        ),
    ],
)
def test_a_lease_that_says_nothing_is_no_failure(deployments: list[dict], leases: list[dict], text: str) -> None:
    (found,) = told(replace(WELL, deployments=deployments, leases=leases), "leader")
    assert found.state is State.WARN and text in found.told and found.fix


def test_leases_are_those_that_controllers_elect_by() -> None:
    leases = [{"metadata": {"name": name}} for name in ("external-secrets-controller", "own", "kube-scheduler")]
    names = [one["metadata"]["name"] for one in elected(leases, [deployment("x", "--leader-election-id=own")])]
    assert names == ["external-secrets-controller", "own"]
    assert len(elected(leases, Unseen("no"))) == 1


def test_objects_that_may_be_stored_in_an_old_version_are_named() -> None:
    first, *rest = WELL.crds
    old = {**first, "status": {"storedVersions": ["v1beta1", "v1"]}}
    (found,) = [one for one in told(replace(WELL, crds=[old, *rest]), "CRDs") if one.state is State.WARN]
    assert "stored as v1beta1" in found.told


def test_a_conversion_webhook_without_endpoints_is_a_failure() -> None:
    client = {"service": {"namespace": "eso", "name": "external-secrets-webhook"}}
    converted = crd("externalsecrets", "external-secrets.io", "v1", conversion={"webhook": {"clientConfig": client}})
    for slices, states in (
        ([endpoints()], {State.OK}),
        ([endpoints(False)], {State.OK, State.FAIL}),
        ([], {State.OK, State.FAIL}),
        (Unseen("cannot list endpointslices"), {State.OK}),
    ):
        facts = replace(WELL, crds=[converted, *WELL.crds[1:]], slices=slices)
        assert {one.state for one in told(facts, "CRDs")} == states


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, bytes]:
    """A CA, a certificate that it signed, and one of another CA."""
    folder: Path = tmp_path_factory.mktemp("pki")
    ours, other = Authority(folder / "a"), Authority(folder / "b")
    return ours.cert.read_bytes(), ours.server("w").cert.read_bytes(), other.server("w").cert.read_bytes()


class TestWebhook:
    def one(self, facts: Facts) -> Finding:
        (found,) = told(facts, "webhook")
        return found

    def facts(self, bundle: bytes, certificate: bytes, *, policy: str = "Fail", ready: bool = True) -> Facts:
        found = {SERVICE: certificate} if certificate else {}
        return replace(WELL, webhooks=[hook(bundle, policy)], slices=[endpoints(ready)], certificates=found)

    def test_one_that_works(self, pki: tuple[bytes, bytes, bytes]) -> None:
        assert self.one(self.facts(pki[0], pki[1])).state is State.OK
        assert self.one(self.facts(pki[0], b"")).state is State.OK

    def test_one_that_is_asked_by_a_url_needs_no_bundle(self) -> None:
        found = hook(b"")
        found["webhooks"][0]["clientConfig"] = {"url": "https://webhook.example"}
        assert self.one(replace(WELL, webhooks=[found])).state is State.OK

    def test_a_certificate_with_the_number_zero_is_read_in_silence(self, recwarn: pytest.WarningsRecorder) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "w")])
        made = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        made = made.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=99))
        made._serial_number = 0  # the builder makes none, as the reference does
        pem = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        recwarn.clear()
        assert self.one(self.facts(pem, pem)).state is State.OK
        assert [str(one.message) for one in recwarn] == []

    def test_a_certificate_of_another_authority(self, pki: tuple[bytes, bytes, bytes]) -> None:
        found = self.one(self.facts(pki[0], pki[2]))
        assert found.state is State.FAIL and "not signed by the CA bundle" in found.told

    @pytest.mark.parametrize(
        "certificate", [b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    )
    def test_a_certificate_that_is_none(self, pki: tuple[bytes, bytes, bytes], certificate: bytes) -> None:
        assert self.one(self.facts(pki[0], certificate)).state is State.FAIL

    @pytest.mark.parametrize("bundle", [b"", b"junk"])
    def test_no_authority(self, pki: tuple[bytes, bytes, bytes], bundle: bytes) -> None:
        assert "has no CA bundle" in self.one(self.facts(bundle, pki[1])).told

    @pytest.mark.parametrize(("policy", "state"), [("Fail", State.FAIL), ("Ignore", State.WARN)])
    def test_nobody_behind_it(self, pki: tuple[bytes, bytes, bytes], policy: str, state: State) -> None:
        assert self.one(self.facts(pki[0], pki[1], policy=policy, ready=False)).state is state

    @pytest.mark.parametrize(("days", "state"), [(-1, State.FAIL), (3, State.WARN)])
    def test_a_certificate_near_its_end(self, pki: tuple[bytes, bytes, bytes], days: int, state: State) -> None:
        end = x509.load_pem_x509_certificate(pki[1]).not_valid_after_utc
        facts = replace(self.facts(pki[0], pki[1]), now=end - timedelta(days=days), server_time=None)
        assert self.one(facts).state is state


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--namespace=a"], "a"),
        (["--namespace", "a"], "a"),
        (["-namespace=a"], "a"),
        (["--other=a"], ""),
        (["namespace"], ""),
        (["--namespace"], ""),
    ],
)
def test_a_flag_is_found_in_each_way_to_write_it(words: list[str], value: str) -> None:
    assert flag(deployment("x", *words), "namespace") == value


def test_the_rights_that_are_asked_for_are_those_of_the_manifests() -> None:
    role = next(
        one for one in yaml.safe_load_all((REPO / "manifests/rbac.yaml").read_text()) if one["kind"] == "ClusterRole"
    )
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {(group, resource, verb) for group, resource, verbs in RIGHTS for verb in verbs}
    assert asked <= granted


def test_a_person_gets_a_table_and_a_machine_json() -> None:
    found = [Finding("CRDs", State.OK, "24 kinds"), Finding("controller", State.FAIL, "none", "start it")]
    assert as_table(found) == "ok    CRDs        24 kinds\nfail  controller  none\n                  → start it\n"
    assert '"state": "fail"' in as_json(found)


def test_a_terminal_is_told_nothing_that_it_would_obey() -> None:
    hostile = Finding("leader", State.WARN, "\x1b[2J\rholder\u202e leads", "look\nok    CRDs  all is well")
    table = as_table([hostile])
    assert table.count("\n") == 2
    assert not {"\x1b", "\r", "\u202e"} & set(table)


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([State.OK], 0),
        ([State.OK, State.WARN], 0),
        ([State.OK, State.SKIP], 3),
        ([State.WARN, State.SKIP], 3),
        ([State.FAIL, State.SKIP], 1),
    ],
)
def test_the_exit_code_says_what_the_table_does(states: list[State], code: int) -> None:
    assert exit_code([Finding("x", state, "y") for state in states]) == code


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param(b"<html>Sign in</html>", "what answers is no API server", id="the page of a proxy"),
        pytest.param(b"[]", "what answers is no API server", id="JSON of somebody else"),
        pytest.param(None, "did not answer everything within", id="one that never answers"),
    ],
)
def test_what_is_no_api_server_is_a_failure_and_no_traceback(
    reply: bytes | None, text: str, capsys, monkeypatch, tmp_path
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if reply is None:
                over.wait(30)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *args: object) -> None:
            pass

    over = Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        cluster = {"server": f"http://127.0.0.1:{server.server_address[1]}"}
        config = {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": "t"}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        monkeypatch.setattr(doctor, "PATIENCE", 60.0 if reply is not None else 0.5)
        assert run(["doctor"]) == 1
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
    shown = capsys.readouterr()
    assert text in shown.out and "→" in shown.out and shown.err == ""


def test_a_cluster_that_cannot_be_reached_is_a_failure(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    assert run(["doctor", "-o", "json"]) == 1
    assert '"check": "API server"' in capsys.readouterr().out


async def test_the_rights_of_an_account_include_those_of_its_groups() -> None:
    class Reviews:
        """Takes down what is asked."""

        async def create(self, resource: object, namespace: str, body: dict) -> bytes:
            self.spec = body["spec"]
            return b'{"status":{"allowed":true}}'

    rest = Reviews()
    assert await allowed(rest, "system:serviceaccount:eso:name", "", "get", "", "secrets")  # type: ignore[arg-type]
    assert rest.spec["user"] == "system:serviceaccount:eso:name"
    assert rest.spec["groups"] == ["system:serviceaccounts", "system:serviceaccounts:eso", "system:authenticated"]


class Cluster:
    """Answers lists of Deployments: `labelled` to those that ask for the label, `every` to all others."""

    def __init__(self, labelled: list[dict], every: list[dict]) -> None:
        self.labelled, self.every = labelled, every

    async def list_pages(self, resource: object, label_selector: str = "") -> AsyncIterator[bytes]:
        yield json.dumps({"items": self.labelled if label_selector else self.every}).encode()


def renamed(container: str) -> dict:
    pod = {"containers": [{"name": container, "image": "x"}]}
    return {"metadata": {"name": "secrets", "namespace": "eso"}, "spec": {"template": {"spec": pod}}}


async def test_a_controller_under_another_name_is_found_by_its_container() -> None:
    ours, other = renamed("external-secrets"), renamed("nginx")
    assert await controllers(Cluster([], [ours, other])) == [ours]  # type: ignore[arg-type]
    assert await controllers(Cluster([deployment()], [ours])) == [deployment()]  # type: ignore[arg-type]
    assert await controllers(Cluster([], [other])) == []  # type: ignore[arg-type]


def test_a_kubeconfig_that_is_missing_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The library that reads it has a word of its own on standard error, unless somebody listens to it."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert doctor.main([]) == 1
    out, err = capfd.readouterr()
    assert "no kubeconfig at" in out and err == ""


USER = "system:serviceaccount:eso:external-secrets"


def policy(user: str = USER, resource: str = "serviceaccounts/token", name: str = "p") -> dict:
    condition = {"name": "who", "expression": f'request.userInfo.username == "{user}"'}
    rule = {"apiGroups": [""], "resources": [resource]}
    return {
        "metadata": {"name": name},
        "spec": {"matchConditions": [condition], "matchConstraints": {"resourceRules": [rule]}},
    }


def binding(*actions: str, name: str = "p") -> dict:
    return {"metadata": {"name": "b"}, "spec": {"policyName": name, "validationActions": list(actions)}}


MINTS = replace(WELL, mints={"eso/external-secrets"}, policies=[policy()], bindings=[binding("Deny", "Audit")])


@pytest.mark.parametrize(
    ("change", "state"),
    [
        pytest.param({}, None, id="a policy in force"),
        pytest.param({"policies": []}, State.WARN, id="no policy, or none that the API server knows"),
        pytest.param({"bindings": []}, State.WARN, id="a policy without a binding"),
        pytest.param({"bindings": [binding("Warn", "Audit")]}, State.WARN, id="one that warns only"),
        pytest.param({"bindings": [binding("Deny", name="other")]}, State.WARN, id="the binding of another policy"),
        pytest.param(
            {"policies": [policy("system:serviceaccount:external-secrets-system:external-secrets")]},
            State.WARN,
            id="a policy that binds the account of another namespace",
        ),
        pytest.param({"policies": [policy(resource="secrets")]}, State.WARN, id="a policy on something else"),
        pytest.param({"policies": Unseen("cannot list")}, State.SKIP, id="policies that may not be read"),
        pytest.param({"policies": [], "mints": set()}, None, id="an account without the right"),
    ],
)
def test_tokens_of_every_account_without_a_policy_are_told(change: dict, state: State | None) -> None:
    found = told(replace(MINTS, **change), "tokens")
    assert [one.state for one in found] == ([] if state is None else [state])
    assert all(USER in one.told for one in found if one.state is State.WARN)
