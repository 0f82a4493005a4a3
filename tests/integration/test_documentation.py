"""Manifests as people write them, applied with plain `kubectl apply` to the operator process and a real OpenBao; read
back with kubectl.

In the texts `$namespace` and `$server` stand for what a reader would fill in.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from e2e.harness.certs import Authority
from e2e.harness.cluster import Cluster, Json, KubectlFailed
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import Operator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real

STORE = """
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata:
  name: vault-backend
spec:
  provider:
    vault:
      server: "$server"
      path: "secret"
      version: "v2"
      auth:
        tokenSecretRef:
          name: "vault-token"
          key: "token"
"""


class Reader:
    """Somebody who follows the documentation in a namespace with a token Secret `vault-token`."""

    def __init__(self, cluster: Cluster, namespace: str, openbao: OpenBao) -> None:
        self.cluster, self.namespace, self.openbao = cluster, namespace, openbao
        self.cluster_wide: list[tuple[str, str]] = []
        openbao.policy(namespace, {f"secret/{part}/{namespace}/*": ["read", "list"] for part in ("data", "metadata")})
        token = openbao.request("POST", "auth/token/create", {"policies": [namespace], "ttl": "1h"})["auth"][
            "client_token"
        ]
        self.kubectl("create", "secret", "generic", "vault-token", f"--from-literal=token={token}")

    def kubectl(self, *args: str, input: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *args, input=input)

    def apply(self, manifests: str) -> None:
        text = Template(manifests).safe_substitute(namespace=self.namespace, server=self.openbao.address)
        for document in yaml.safe_load_all(text):
            if document and document["kind"] == "ClusterSecretStore":
                self.cluster_wide.append(("clustersecretstores", document["metadata"]["name"]))
        self.kubectl("apply", "-f", "-", input=text)

    def put(self, key: str, data: dict[str, Any], **tags: str) -> None:
        """A secret below the namespace's name."""
        self.openbao.put("secret", f"{self.namespace}/{key}", data)
        if tags:
            self.openbao.request("POST", f"secret/metadata/{self.namespace}/{key}", {"custom_metadata": tags})

    def wait(self, name: str, kind: str = "externalsecret") -> None:
        self.kubectl("wait", "--for=condition=Ready", f"{kind}/{name}", "--timeout=30s")

    def secret(self, name: str) -> dict[str, str]:
        found = self.cluster.secret(self.namespace, name)
        assert found is not None, f"no Secret {name}"
        return found

    def raw(self, name: str) -> Json:
        found = self.cluster.api.get("secrets", self.namespace, name)
        assert found is not None, f"no Secret {name}"
        return found

    def row(self, kind: str, name: str) -> dict[str, str]:
        """What `kubectl get` prints, by column."""
        head, line = self.kubectl("get", kind, name).splitlines()
        starts = [(m.group(), m.start()) for m in re.finditer(r"\S+( \S+)*", head)]
        ends = [start for _, start in starts[1:]] + [None]
        return {column: line[start:end].strip() for (column, start), end in zip(starts, ends, strict=True)}

    def described(self, kind: str, name: str, text: str) -> str:
        """`kubectl describe`, once its Events show `text`."""

        def shown() -> str:
            printed = self.kubectl("describe", kind, name)
            assert text in printed.split("\nEvents:")[1], printed[-3000:]
            return printed

        return eventually(shown, 20, every=0.5, what=f"describe shows {text!r}")


@pytest.fixture
def reader(cluster: Cluster, namespace: str, openbao: OpenBao, operator: Operator) -> Iterator[Reader]:
    made = Reader(cluster, namespace, openbao)
    yield made
    for plural, name in made.cluster_wide:
        cluster.api.delete(plural, "", name)


BASIC = (
    STORE
    + """
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: vault-example
spec:
  refreshInterval: "15s"
  secretStoreRef:
    name: vault-backend
    kind: SecretStore
  target:
    name: example-sync
  data:
  - secretKey: foobar
    remoteRef:
      key: $namespace/foo
      property: my-value
"""
)


def test_the_first_example(reader: Reader) -> None:
    reader.put("foo", {"my-value": "s3cr3t"})
    reader.apply(BASIC)
    reader.wait("vault-backend", "secretstore")
    reader.wait("vault-example")
    assert reader.secret("example-sync") == {"foobar": "s3cr3t"}
    row = reader.row("externalsecret", "vault-example")
    shown = {column: row[column] for column in ("NAME", "STORETYPE", "STORE", "REFRESH INTERVAL", "STATUS", "READY")}
    assert shown == {
        "NAME": "vault-example",
        "STORETYPE": "SecretStore",
        "STORE": "vault-backend",
        "REFRESH INTERVAL": "15s",
        "STATUS": "SecretSynced",
        "READY": "True",
    }
    assert re.fullmatch(r"\d+s", row["LAST SYNC"])
    store = reader.row("secretstore", "vault-backend")
    assert (store["STATUS"], store["CAPABILITIES"], store["READY"]) == ("Valid", "ReadWrite", "True")
    reader.described("externalsecret", "vault-example", "secret created")
    assert reader.kubectl("get", "es,ss", "-o", "name").split() == [
        "externalsecret.external-secrets.io/vault-example",
        "secretstore.external-secrets.io/vault-backend",
    ]


def test_a_forced_sync(reader: Reader) -> None:
    reader.put("foo", {"my-value": "one"})
    reader.apply(BASIC.replace('"15s"', '"24h"'))
    reader.wait("vault-example")
    reader.put("foo", {"my-value": "two"})
    reader.kubectl("annotate", "es", "vault-example", "force-sync=now", "--overwrite")
    eventually(lambda: reader.secret("example-sync") == {"foobar": "two"}, 10)


@pytest.mark.parametrize("interval", ["0", "1m", "1h", "24h", "1h0m0s"])
def test_refresh_intervals(reader: Reader, interval: str) -> None:
    reader.put("foo", {"my-value": "s3cr3t"})
    reader.apply(BASIC.replace('"15s"', f'"{interval}"'))
    reader.wait("vault-example")
    assert reader.row("es", "vault-example")["REFRESH INTERVAL"] == interval
    assert reader.secret("example-sync") == {"foobar": "s3cr3t"}


def external_secret(
    name: str, spec: str, *, version: str = "v1", store: str = "vault-backend", kind: str = "SecretStore"
) -> str:
    """A manifest of `spec`, which is YAML without indentation."""
    head = {
        "apiVersion": f"external-secrets.io/{version}",
        "kind": "ExternalSecret",
        "metadata": {"name": name},
        "spec": {"refreshInterval": "1h", "secretStoreRef": {"name": store, "kind": kind}} | yaml.safe_load(spec),
    }
    return "---\n" + yaml.safe_dump(head)


def test_all_keys_of_one_secret(reader: Reader) -> None:
    reader.put("db", {"username": "app", "password": "p", "port": 5432})
    reader.apply(STORE + external_secret("all", "dataFrom: [{extract: {key: $namespace/db}}]"))
    reader.wait("all")
    assert reader.secret("all") == {"username": "app", "password": "p", "port": "5432"}


def test_find_by_name_and_by_tags(reader: Reader) -> None:
    for key, env in (("dev/api", "dev"), ("dev/web", "dev"), ("prod/api", "prod")):
        reader.put(key, {"key": key}, environment=env, app=key.split("/")[1])
    by_name = """
dataFrom:
- find:
    path: $namespace
    name:
      regexp: "api$"
  rewrite:
  - regexp:
      source: "$namespace/(.*)/(.*)"
      target: "$1-$2"
"""
    by_tags = """
dataFrom:
- find:
    path: $namespace
    tags:
      environment: "dev"
"""
    reader.apply(STORE + external_secret("by-name", by_name) + external_secret("by-tags", by_tags))
    reader.wait("by-name")
    reader.wait("by-tags")
    assert reader.secret("by-name") == {"dev-api": '{"key":"dev/api"}', "prod-api": '{"key":"prod/api"}'}
    prefix = f"{reader.namespace}_dev_"
    assert reader.secret("by-tags") == {f"{prefix}api": '{"key":"dev/api"}', f"{prefix}web": '{"key":"dev/web"}'}


def test_keys_with_a_prefix_per_source(reader: Reader) -> None:
    reader.put("one", {"host": "a", "port": "1"})
    reader.put("two", {"host": "b", "port": "2"})
    spec = """
dataFrom:
- extract: {key: $namespace/one}
  rewrite:
  - regexp: {source: "(.*)", target: "one_$1"}
- extract: {key: $namespace/two}
  rewrite:
  - transform: {template: "two_{{ .value | upper }}"}
"""
    reader.apply(STORE + external_secret("prefixed", spec))
    reader.wait("prefixed")
    assert reader.secret("prefixed") == {"one_host": "a", "one_port": "1", "two_HOST": "b", "two_PORT": "2"}


def test_found_secrets_merged_into_one_set_of_keys(reader: Reader) -> None:
    reader.put("team/db", {"username": "db", "host": "db.local"})
    reader.put("team/cache", {"username": "cache", "port": 6379})
    find = "find: {path: $namespace/team, name: {regexp: '.*'}}"
    short = "{regexp: {source: '.*/', target: ''}}"
    extracted = (
        f"dataFrom: [{{{find}, rewrite: [{short}, {{merge: {{priority: [cache, db], conflictPolicy: Ignore}}}}]}}]"
    )
    as_json = (
        f"dataFrom: [{{{find}, rewrite: [{short}, {{merge: {{into: all.json, strategy: JSON, conflictPolicy: "
        f"Ignore, priority: [db, cache]}}}}]}}]"
    )
    conflicts = f"dataFrom: [{{{find}, rewrite: [{{merge: {{}}}}]}}]"
    reader.apply(
        STORE
        + external_secret("extracted", extracted)
        + external_secret("as-json", as_json)
        + external_secret("conflicts", conflicts)
    )
    reader.wait("extracted")
    reader.wait("as-json")
    assert reader.secret("extracted") == {"username": "db", "host": "db.local", "port": "6379"}
    assert json.loads(reader.secret("as-json")["all.json"]) == {"username": "cache", "host": "db.local", "port": 6379}
    reader.described("es", "conflicts", "merge failed with conflicts: username")


def test_several_stores_in_one_object(reader: Reader) -> None:
    reader.put("from-vault", {"password": "v"})
    stores = """
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata:
  name: second
spec:
  provider:
    fake:
      data:
      - key: "/foo/bar"
        value: "f"
      - key: "/foo/map"
        value: '{"a": "1", "b": "2"}'
"""
    spec = """
data:
- secretKey: vault-password
  remoteRef: {key: $namespace/from-vault, property: password}
- secretKey: fake-password
  remoteRef: {key: /foo/bar}
  sourceRef: {storeRef: {name: second, kind: SecretStore}}
dataFrom:
- extract: {key: /foo/map}
  sourceRef: {storeRef: {name: second, kind: SecretStore}}
"""
    reader.apply(STORE + stores + external_secret("both", spec))
    reader.wait("both")
    assert reader.secret("both") == {"vault-password": "v", "fake-password": "f", "a": "1", "b": "2"}


CLUSTER_STORE = """
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata:
  name: vault-$namespace
spec:
  conditions:
  - namespaces: [$namespace]
  provider:
    vault:
      server: "$server"
      path: "secret"
      version: "v2"
      auth:
        tokenSecretRef: {name: vault-token, namespace: $namespace, key: token}
"""


def test_a_cluster_secret_store(reader: Reader) -> None:
    reader.put("foo", {"a": "1"})
    name = f"vault-{reader.namespace}"
    reader.apply(
        CLUSTER_STORE
        + external_secret(
            "one", "dataFrom: [{extract: {key: $namespace/foo}}]", store="vault-$namespace", kind="ClusterSecretStore"
        )
    )
    reader.wait("one")
    assert reader.secret("one") == {"a": "1"}
    row = reader.row("es", "one")
    assert (row["STORETYPE"], row["STORE"], row["READY"]) == ("ClusterSecretStore", name, "True")
    assert reader.row("css", name)["STATUS"] == "Valid"


def pair(tmp_path: Path) -> tuple[str, str]:
    made = Authority(tmp_path).server("web")
    return made.cert.read_text(), made.key.read_text()


def test_a_tls_secret(reader: Reader, tmp_path: Path) -> None:
    cert, key = pair(tmp_path)
    reader.put("tls", {"cert": cert, "key": key})
    spec = """
target:
  template:
    type: kubernetes.io/tls
    metadata:
      labels: {app: web}
    data:
      tls.crt: "{{ .crt }}"
      tls.key: "{{ .key | filterPEM \\"PRIVATE KEY\\" }}"
data:
- {secretKey: crt, remoteRef: {key: $namespace/tls, property: cert}}
- {secretKey: key, remoteRef: {key: $namespace/tls, property: key}}
"""
    reader.apply(STORE + external_secret("tls", spec))
    reader.wait("tls")
    found = reader.raw("tls")
    assert (found["type"], found["metadata"]["labels"]["app"]) == ("kubernetes.io/tls", "web")
    assert reader.secret("tls") == {"tls.crt": cert, "tls.key": key}


def test_a_registry_login(reader: Reader) -> None:
    reader.put("registry", {"host": "registry.example.com", "user": "bot", "password": 'p"w'})
    spec = """
target:
  template:
    type: kubernetes.io/dockerconfigjson
    data:
      .dockerconfigjson: |
        {"auths": {"{{ .host }}": {
          "username": "{{ .user }}", "password": {{ .password | toJson }},
          "auth": "{{ printf "%s:%s" .user .password | b64enc }}"}}}
dataFrom:
- extract: {key: $namespace/registry}
"""
    reader.apply(STORE + external_secret("registry", spec))
    reader.wait("registry")
    assert reader.raw("registry")["type"] == "kubernetes.io/dockerconfigjson"
    login = json.loads(reader.secret("registry")[".dockerconfigjson"])["auths"]["registry.example.com"]
    assert login == {"username": "bot", "password": 'p"w', "auth": base64.b64encode(b'bot:p"w').decode()}


def test_a_pkcs12_archive_taken_apart_and_put_together(reader: Reader, tmp_path: Path) -> None:
    cert, key = pair(tmp_path)
    encryption = serialization.BestAvailableEncryption(b"changeit")
    archive = pkcs12.serialize_key_and_certificates(
        b"web",
        serialization.load_pem_private_key(key.encode(), None),
        x509.load_pem_x509_certificate(cert.encode()),
        None,
        encryption,  # type: ignore[arg-type]  # an EC key is one
    )
    reader.put("p12", {"archive": base64.b64encode(archive).decode(), "password": "changeit"})
    reader.put("pem", {"cert": cert, "key": key})
    apart = """
target:
  template:
    type: kubernetes.io/tls
    data:
      tls.crt: "{{ .archive | pkcs12certPass .password }}"
      tls.key: "{{ .archive | pkcs12keyPass .password }}"
data:
- {secretKey: archive, remoteRef: {key: $namespace/p12, property: archive, decodingStrategy: Base64}}
- {secretKey: password, remoteRef: {key: $namespace/p12, property: password}}
"""
    together = """
target:
  template:
    data:
      keystore.p12: '{{ pemToPkcs12Pass .cert .key "secret" | b64dec }}'
dataFrom:
- extract: {key: $namespace/pem}
"""
    reader.apply(STORE + external_secret("apart", apart) + external_secret("together", together))
    reader.wait("apart")
    reader.wait("together")
    found = reader.secret("apart")
    assert found["tls.crt"] == cert
    assert public(serialization.load_pem_private_key(found["tls.key"].encode(), None)) == public(
        serialization.load_pem_private_key(key.encode(), None)
    )
    made = pkcs12.load_key_and_certificates(base64.b64decode(reader.raw("together")["data"]["keystore.p12"]), b"secret")
    assert made[1] is not None and made[1].public_bytes(serialization.Encoding.PEM).decode() == cert


def public(key: Any) -> bytes:
    made: bytes = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return made


def test_a_configuration_file_from_a_config_map(reader: Reader) -> None:
    reader.put("grafana", {"user": "admin", "password": "p"})
    config_map = """
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: grafana-config
data:
  config.yaml: |
    auth:
      user: {{ .user }}
      password: {{ .password }}
  more.txt: |
    {{ .user }}-login: "{{ .password }}"
"""
    spec = """
target:
  template:
    engineVersion: v2
    metadata:
      annotations: {owner: "{{ .user }}"}
    templateFrom:
    - configMap:
        name: grafana-config
        items:
        - {key: config.yaml}
        - {key: more.txt, templateAs: KeysAndValues}
    - target: Labels
      literal: "user: {{ .user }}"
dataFrom:
- extract: {key: $namespace/grafana}
"""
    reader.apply(STORE + config_map + external_secret("grafana", spec))
    reader.wait("grafana")
    assert reader.secret("grafana") == {"config.yaml": "auth:\n  user: admin\n  password: p\n", "admin-login": "p"}
    meta = reader.raw("grafana")["metadata"]
    assert (meta["labels"]["user"], meta["annotations"]["owner"]) == ("admin", "admin")


def test_merging_into_a_secret_that_is_there(reader: Reader) -> None:
    reader.put("extra", {"oidc": "s3cr3t"})
    reader.kubectl("create", "secret", "generic", "argocd-secret", "--from-literal=server.key=kept")
    spec = """
target: {name: argocd-secret, creationPolicy: Merge}
data:
- {secretKey: oidc.clientSecret, remoteRef: {key: $namespace/extra, property: oidc}}
"""
    reader.apply(STORE + external_secret("merged", spec))
    reader.wait("merged")
    eventually(lambda: reader.secret("argocd-secret") == {"server.key": "kept", "oidc.clientSecret": "s3cr3t"}, 10)
    reader.kubectl("delete", "es", "merged")
    assert reader.secret("argocd-secret") == {"server.key": "kept", "oidc.clientSecret": "s3cr3t"}


def test_old_manifests_unmodified(reader: Reader) -> None:
    reader.put("foo", {"my-value": "s3cr3t"})
    reader.apply(BASIC.replace("external-secrets.io/v1\n", "external-secrets.io/v1beta1\n"))
    reader.wait("vault-example")
    assert reader.secret("example-sync") == {"foobar": "s3cr3t"}
    old = json.loads(
        reader.kubectl("get", "externalsecrets.v1beta1.external-secrets.io", "vault-example", "-o", "json")
    )
    new = json.loads(reader.kubectl("get", "externalsecrets.v1.external-secrets.io", "vault-example", "-o", "json"))
    assert (old["spec"], old["status"]) == (new["spec"], new["status"])
    owner = reader.raw("example-sync")["metadata"]["ownerReferences"][0]
    assert (owner["apiVersion"], owner["name"]) == ("external-secrets.io/v1", "vault-example")


FAILURES = [
    pytest.param("extract: {key: other-team/db}", "permission denied", id="a path that the token may not read"),
    pytest.param("extract: {key: $namespace/absent}", "Secret does not exist", id="a secret that is not there"),
    pytest.param("extract: {key: $namespace/foo, property: nope}", "nope", id="a property that is not there"),
]


@pytest.mark.parametrize(("source", "cause"), FAILURES)
def test_a_failure_names_its_cause_where_people_look(reader: Reader, source: str, cause: str) -> None:
    reader.put("foo", {"a": "the-value"})
    reader.apply(STORE + external_secret("failing", f"dataFrom: [{{{source}}}]"))
    printed = reader.described("externalsecret", "failing", cause)
    assert "could not get secret data from provider" in printed and "UpdateFailed" in printed
    assert "error processing spec.dataFrom[0].extract, err: " in printed
    assert "the-value" not in printed
    row = reader.row("externalsecret", "failing")
    assert (row["STATUS"], row["READY"]) == ("SecretSyncedError", "False")


def test_a_wrong_token_is_named_at_the_store_and_at_its_users(reader: Reader) -> None:
    reader.kubectl("delete", "secret", "vault-token")
    reader.kubectl("create", "secret", "generic", "vault-token", "--from-literal=token=s.wrong")
    reader.put("foo", {"my-value": "s3cr3t"})
    reader.apply(BASIC)
    printed = reader.described("secretstore", "vault-backend", "invalid vault credentials")
    assert "InvalidProviderConfig" in printed and "s.wrong" not in printed
    assert reader.row("secretstore", "vault-backend")["READY"] == "False"
    reader.described("externalsecret", "vault-example", 'SecretStore "vault-backend" is not ready')


def test_a_missing_token_secret_is_named_and_its_arrival_noticed(reader: Reader, kubectl: Callable[..., str]) -> None:
    saved = reader.kubectl("get", "secret", "vault-token", "-o", "jsonpath={.data.token}")
    reader.kubectl("delete", "secret", "vault-token")
    reader.put("foo", {"my-value": "s3cr3t"})
    reader.apply(BASIC)
    reader.described("secretstore", "vault-backend", 'cannot get Kubernetes secret "vault-token"')
    with pytest.raises(KubectlFailed):
        kubectl("-n", reader.namespace, "wait", "--for=condition=Ready", "es/vault-example", "--timeout=1s")
    reader.kubectl(
        "create", "secret", "generic", "vault-token", f"--from-literal=token={base64.b64decode(saved).decode()}"
    )
    eventually(lambda: reader.row("es", "vault-example")["READY"] == "True", 5, what="synced")
    assert reader.secret("example-sync") == {"foobar": "s3cr3t"}
