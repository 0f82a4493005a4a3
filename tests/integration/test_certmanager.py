"""cert-manager instead of the cert controller: what the chart asks of it, a webhook that lives on what it writes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from e2e.harness.cluster import ApiRefused, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.helm import Helm, one
from e2e.harness.objects import external_secret, thing
from e2e.harness.waiting import eventually
from e2e.harness.webhook import LocalWebhook, configure, in_force
from eso.gocompat.duration import parse_duration
from tests.integration.chartvalues import Values
from tests.unit.admission.folder import Mounted

pytestmark = pytest.mark.real
INJECT = "cert-manager.io/inject-ca-from"
NAME = "external-secrets-webhook"
MANAGED: Values = {
    "crds": {"conversion": {"enabled": True}},
    "webhook": {
        "certManager": {
            "enabled": True,
            "cert": {
                "issuerRef": {"name": "ca", "kind": "ClusterIssuer"},
                "duration": "8760h",
                "renewBefore": "2400h",
                "revisionHistoryLimit": 2,
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always", "encoding": "PKCS8"},
                "signatureAlgorithm": "ECDSAWithSHA256",
                "annotations": {"a": "b"},
            },
        }
    },
}
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
TEXTS = {"type": "array", "items": TEXT}


def words(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


def fields(required: tuple[str, ...] = (), **named: Json) -> Json:
    return {"type": "object", "properties": named, "required": list(required)}


# what cert-manager.io/v1 lets a Certificate say, as far as a chart of this kind may
CERTIFICATE = fields(
    ("secretName", "issuerRef"),
    secretName=TEXT,
    commonName=TEXT,
    dnsNames=TEXTS,
    duration=TEXT,
    renewBefore=TEXT,
    usages=TEXTS,
    revisionHistoryLimit=NUMBER | {"minimum": 1},
    issuerRef=fields(("name",), name=TEXT, kind=TEXT, group=TEXT),
    privateKey=fields(
        algorithm=words("RSA", "ECDSA", "Ed25519"),
        encoding=words("PKCS1", "PKCS8"),
        rotationPolicy=words("Never", "Always"),
        size=NUMBER,
    ),
    signatureAlgorithm=words("SHA256WithRSA", "SHA384WithRSA", "ECDSAWithSHA256", "ECDSAWithSHA384", "PureEd25519"),
)


@pytest.fixture(scope="module")
def certificates(controlplane: ControlPlane) -> Iterator[str]:
    """The path of Certificates: the API server knows the kind, and nobody serves it."""
    names = {"plural": "certificates", "kind": "Certificate"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": fields(spec=CERTIFICATE)},
    }
    spec = {"group": "cert-manager.io", "scope": "Namespaced", "names": names, "versions": [version]}
    crd = thing("CustomResourceDefinition", "certificates.cert-manager.io", api="apiextensions.k8s.io/v1", spec=spec)
    controlplane.apply([crd])
    path = "/apis/cert-manager.io/v1/namespaces/default/certificates"
    eventually(lambda: controlplane.api.request("GET", path), 60, what="Certificates are served")
    yield path
    controlplane.kubectl("delete", "crd", crd["metadata"]["name"])


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(MANAGED, id="all that can be said"),
        pytest.param({"webhook": {"certManager": {"enabled": True}}}, id="nothing but the switch"),
    ],
)
def test_the_certificate_that_the_chart_asks_for_is_one(
    helm: Helm, controlplane: ControlPlane, certificates: str, values: Values
) -> None:
    found = one(helm.render(values, namespace="default"), "Certificate")
    query = "dryRun=All&fieldManager=helm&fieldValidation=Strict&force=true"
    where = f"{certificates}/{found['metadata']['name']}?{query}"
    taken = controlplane.api.request("PATCH", where, found, content_type="application/apply-patch+yaml")
    assert taken["spec"] == found["spec"]
    for key in ("duration", "renewBefore"):
        assert parse_duration(taken["spec"].get(key, "1h")) > 0


def test_what_cert_manager_does_nobody_else_does(helm: Helm) -> None:
    objects = helm.render(MANAGED, namespace="default", crds=True)
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert not [name for name in names if name[1].endswith("cert-controller")]
    assert ("Secret", NAME) not in names and ("Deployment", NAME) in names
    asking = [each for each in objects if each["kind"] == "ValidatingWebhookConfiguration"]
    asking += [each for each in objects if each["kind"] == "CustomResourceDefinition" and "conversion" in each["spec"]]
    assert len(asking) > 10
    assert {each["metadata"]["annotations"][INJECT] for each in asking} == {f"default/{NAME}"}
    mounted = one(objects, "Deployment", NAME)["spec"]["template"]["spec"]["volumes"][0]["secret"]
    assert mounted["secretName"] == one(objects, "Certificate")["spec"]["secretName"]
    assert {each["key"] for each in mounted["items"]} == {"tls.crt", "tls.key", "ca.crt"}


class Issuer:
    """Signs as cert-manager does: no extended key usage, Secrets of type kubernetes.io/tls."""

    def __init__(self, *, itself: bool = False) -> None:
        """`itself`: each certificate is its own CA, as those of a SelfSigned issuer are."""
        self.itself = itself
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
        made = self.builder(self.name, self.key.public_key(), timedelta(days=3650))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.ca = made.sign(self.key, hashes.SHA256())

    def builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, lasts: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        issuer = subject if self.itself else self.name
        made = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        return made.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + lasts)

    def secret(self, certificate: Json) -> Json:
        """What appears beside a Certificate. The API server of the test asks for `localhost`, where it finds the
        webhook."""
        spec = certificate["spec"]
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        if spec.get("privateKey", {}).get("algorithm") == "ECDSA":
            key = ec.generate_private_key(ec.SECP256R1())
        else:
            key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, spec["commonName"])])
        made = self.builder(subject, key.public_key(), timedelta(seconds=parse_duration(spec["duration"])))
        alternatives = [x509.DNSName(name) for name in (*spec["dnsNames"], "localhost")]
        made = made.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        leaf = made.sign(key if self.itself else self.key, hashes.SHA256())
        form = PrivateFormat.PKCS8 if isinstance(key, ec.EllipticCurvePrivateKey) else PrivateFormat.TraditionalOpenSSL
        data = {
            "ca.crt": (leaf if self.itself else self.ca).public_bytes(Encoding.PEM),
            "tls.crt": leaf.public_bytes(Encoding.PEM),
            "tls.key": key.private_bytes(Encoding.PEM, form, NoEncryption()),
        }
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        return thing("Secret", spec["secretName"], "default", api="v1", type="kubernetes.io/tls", data=encoded)


class Managed:
    """A webhook as the chart starts it, the kubelet's mount of its Secret, and cert-manager's injector."""

    def __init__(self, plane: ControlPlane, objects: list[Json], root: Path) -> None:
        self.plane, self.certificate, self.mounted = plane, one(objects, "Certificate"), Mounted(root)
        self.configurations = [each for each in objects if each["kind"] == "ValidatingWebhookConfiguration"]
        container = one(objects, "Deployment", NAME)["spec"]["template"]["spec"]["containers"][0]
        flags = dict(each.removeprefix("--").split("=", 1) for each in container["args"][1:])
        kept = {name: flags[name] for name in ("dns-name", "check-interval", "loglevel", "zap-time-encoding")}
        # as long as the reference looks ahead: that is what renewBefore has to exceed
        flags = kept | {"cert-dir": str(self.mounted.path), "lookahead-interval": "2160h"}
        self.webhook = LocalWebhook(root, args=flags, name="managed")

    def issue(self, issuer: Issuer) -> None:
        """cert-manager writes the Secret, and the kubelet mounts it."""
        made = issuer.secret(self.certificate)
        self.plane.kubectl("-n", "default", "delete", "secret", NAME, "--ignore-not-found")
        self.plane.apply([made])
        data = self.plane.api.get("secrets", "default", NAME)["data"]  # type: ignore[index]  # it was just written
        self.mounted.show(*(base64.b64decode(data[name]) for name in ("tls.crt", "tls.key", "ca.crt")))

    def inject(self) -> None:
        """The CA of the Secret that the annotation names, into the configurations that have it."""
        data = self.plane.api.get("secrets", "default", NAME)["data"]  # type: ignore[index]  # as above
        for configuration in self.configurations:
            assert configuration["metadata"]["annotations"][INJECT] == f"default/{NAME}"
            for hook in configuration["webhooks"]:
                path = hook["clientConfig"].get("service", {}).get("path") or self.path(hook)
                hook["clientConfig"] = {
                    "url": f"https://localhost:{self.webhook.port}{path}",
                    "caBundle": data["ca.crt"],
                }
            configure(self.plane.api, configuration)

    @staticmethod
    def path(hook: Json) -> str:
        return "/" + hook["clientConfig"]["url"].split("/", 3)[3]

    def read(self) -> float:
        return self.webhook.metrics().sum("certwatcher_read_certificate_total")


def test_the_webhook_lives_on_what_cert_manager_writes_and_renews(
    helm: Helm, controlplane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    plane = controlplane
    managed = Managed(plane, helm.render(MANAGED, namespace="default"), tmp_path)
    good, broken = external_secret(namespace, "good", {"a": "k"}), external_secret(namespace, "bad", {}, data=[])
    path = plane.api.path("externalsecrets", namespace) + "?dryRun=All"

    def reviewed() -> bool:
        plane.api.request("POST", path, good)
        try:
            plane.api.request("POST", path, broken)
        except ApiRefused as refused:
            return "either data or dataFrom should be specified" in str(refused)
        return False

    managed.issue(Issuer())
    managed.webhook.start()
    try:
        managed.webhook.wait_ready()
        managed.inject()
        eventually(lambda: in_force(plane.api), 30, what="the API server asks the webhook")
        eventually(reviewed, 30, what="the API server trusts the webhook")
        for issuer in (Issuer(), Issuer(itself=True)):  # each with a CA of its own
            before = managed.read()
            managed.issue(issuer)
            eventually(lambda before=before: managed.read() > before, 30, what="the new certificate is read")
            managed.inject()
            eventually(reviewed, 60, what="the API server trusts the renewed certificate")
        assert managed.webhook.probe("readyz") == 200
    finally:
        for configuration in managed.configurations:
            plane.kubectl(
                "delete", "validatingwebhookconfiguration", configuration["metadata"]["name"], "--ignore-not-found"
            )
        plane.kubectl("-n", "default", "delete", "secret", NAME, "--ignore-not-found")
        managed.webhook.child.kill()
