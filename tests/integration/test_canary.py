"""Values that cannot be mistaken are planted wherever a value can be; afterwards nobody has told any of them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from e2e.harness.cluster import Cluster, Json
from e2e.harness.objects import (
    GROUP,
    allow_namespace,
    external_secret,
    push_secret,
    secret_store,
    thing,
    vault_provider,
)
from e2e.harness.openbao import OpenBao
from e2e.harness.waiting import eventually
from tests.fakes.spellings import SPELLINGS
from tests.harness.behind import Behind
from tests.harness.parrot import Parrot

pytestmark = pytest.mark.real


ALPHABET = "bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ"
WINDOW = 8  # characters of a value that tell something


def canary(name: str) -> str:
    """Long, odd, unlike anything that a rule for credentials would recognise, and without a word of any language."""
    digest = hashlib.sha256(name.encode()).digest()
    return "Zq7" + "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:28]) + "Wv"


VALUES = {
    "bao": canary("openbao"),
    "fake": canary("fakestore"),
    "malformed": '{"inner": "' + canary("malformed"),
    "credential": canary("credential"),
    "template": canary("template"),
    "source": canary("source"),
    "label": canary("label") + " is no label!",
    "key": canary("key") + "/is no key",
    "type": canary("type") + " is no type\x00",
    "anchor": "*" + canary("anchor"),
}
CORES = [canary(name) for name in ("openbao", "fakestore", *(name for name in VALUES if name not in ("bao", "fake")))]

# Each of these fails, or nearly fails, with a planted value in its hand.
TEMPLATES = {
    "fail": "{{ fail .v }}",
    "from-json": "{{ .malformed | mustFromJson }}",
    "from-yaml": "{{ .malformed | fromYaml }}",
    "number": '{{ mustToDate "2006-01-02" .v }}',
    "index": "{{ index .v 9999 }}",
    "call": "{{ .v.inner }}",
    "decode": "{{ .v | b64dec | fromJson }}",
    "regex": "{{ mustRegexMatch .malformed .v }}",
    "duration": "{{ .v | duration }}",
    "pem": "{{ .v | pkcs12key }}",
    "jwk": "{{ .v | jwkPublicKeyPem }}",
    "semver": "{{ semver .v }}",
    "printf": '{{ printf "%d" .v }}{{ required .v nil }}',
    # the same value, turned into another one first
    "fail-upper": "{{ fail (upper .v) }}",
    "fail-cut": "{{ fail (substr 0 12 .v) }}",
    "fail-base32": "{{ fail (b32enc .v) }}",
    "fail-variable": '{{ $x := printf "%s" (.v | lower) }}{{ fail (print $x) }}',
    "fail-backwards": '{{ fail (regexReplaceAll "(.)(.)" .v "${2}${1}") }}',
    "index-upper": "{{ index (dict) (upper .v) 1 2 }}",
    "date-lower": '{{ mustToDate "2006-01-02" (lower .v) }}',
    "regex-upper": '{{ mustRegexMatch (print "(" (upper .v)) "x" }}',
    "yaml-anchor": '{{ fromYaml (print "a: " .anchor) }}',
    "atoi": "{{ mustFromJson (b64enc .v) }}",
}
# Scope KeysAndValues: what a template makes of a value becomes a key, which the API server refuses and quotes.
KEYS = {
    "upper": '"!{{ .v | upper }}": x',
    "base32": '"!{{ .v | b32enc }}": x',
    "cut": '"!{{ substr 3 20 .v }}": x',
    "spaced": '"{{ .v | lower }} ] {{ .v | upper }}": x',
    "anchor": "password: {{ .anchor }}",
}


def traces(value: str) -> set[str]:
    """Every run of WINDOW characters of the value, forwards and backwards, as it could be written, in lower case. The
    first and last characters of an encoding depend on their neighbours and do not count."""
    found: set[str] = set()
    for raw in (value.encode(), value[::-1].encode()):
        forms = [raw.decode(), quote(raw, safe=""), json.dumps(raw.decode())[1:-1], raw.hex()]
        forms += [spell(raw.decode()) for name, spell in SPELLINGS.items() if name not in ("cut", "its end")]
        swapped = [bytes(pair[::-1]) for pair in zip(*[iter(raw)] * 2, strict=False)]
        forms.append(b"".join(swapped).decode())
        for shift in range(5):
            padded = bytes(shift) + raw
            encoded = (base64.b64encode(padded), base64.urlsafe_b64encode(padded), base64.b32encode(padded))
            forms += [one.decode()[8:-8] for one in encoded]
        for form in forms:
            found |= {form[at : at + WINDOW].lower() for at in range(len(form) - WINDOW + 1)}
    return found


def stores(namespace: str, bao: OpenBao) -> list[Json]:
    role = namespace
    fake = {"fake": {"data": [{"key": name, "value": value} for name, value in VALUES.items() if "\0" not in value]}}
    app_role = {
        "appRole": {
            "path": "approle",
            "roleId": "no-such-role",
            "secretRef": {"name": "credentials", "key": "secret-id"},
        }
    }
    token = {"tokenSecretRef": {"name": "credentials", "key": "token"}}
    user = {
        "userPass": {"path": "userpass", "username": "nobody", "secretRef": {"name": "credentials", "key": "password"}}
    }
    jwt = {"jwt": {"path": "jwt", "role": "nobody", "secretRef": {"name": "credentials", "key": "token"}}}

    def vault(name: str, auth: Json, **more: object) -> Json:
        return secret_store(
            namespace, {"vault": {"server": bao.address, "path": "secret", "version": "v2", "auth": auth, **more}}, name
        )

    return [
        thing(
            "Secret",
            "credentials",
            namespace,
            api="v1",
            stringData=dict.fromkeys(("secret-id", "token", "password"), VALUES["credential"]),
        ),
        thing(
            "Secret",
            "source",
            namespace,
            api="v1",
            stringData={"broken": "{{ " + VALUES["source"] + " }}", "yaml": VALUES["source"] + ": : {{ .v }}"},
        ),
        secret_store(namespace, vault_provider(bao, role=role, account="default"), "bao"),
        secret_store(namespace, fake, "fake"),
        vault("approle", app_role),
        vault("token", token),
        vault("userpass", user),
        vault("jwt", jwt),
        vault("broken-ca", token, caProvider={"type": "Secret", "name": "credentials", "key": "token"}),
        vault("headers", token, headers={"X-Custom-Header": VALUES["credential"]}),
    ]


def consumers(namespace: str) -> list[Json]:
    """ExternalSecrets that sync, and many that fail with a value in their hand."""
    key = f"{namespace}/db"
    made = [
        external_secret(namespace, "good-bao", {"v": (key, "bao")}, store="bao"),
        external_secret(namespace, "good-fake", {"v": "fake", "m": "malformed"}, store="fake"),
        external_secret(namespace, "inner", {"v": (key, "malformed.inner")}, store="bao"),
        external_secret(namespace, "inner-fake", {"v": ("malformed", "inner.deeper")}, store="fake"),
        external_secret(namespace, "type", {"v": (key, "bao")}, store="bao", target={"template": {"type": "{{ .v }}"}}),
        {**external_secret(namespace, "extract", {}, store="fake"), "spec": extract("malformed")},
        {**external_secret(namespace, "badkey", {}, store="bao"), "spec": extract(f"{namespace}/keys", "bao")},
        external_secret(namespace, "decoded", {"v": (key, "bao")}, store="bao", data=[decoded(key)]),
    ]
    refs: dict[str, str | tuple[str, str]] = {
        "v": "template",
        "malformed": "malformed",
        "label": "label",
        "anchor": "anchor",
    }
    for name, text in KEYS.items():
        block = {"template": {"templateFrom": [{"literal": text}]}}
        made.append(external_secret(namespace, f"keys-{name}", refs, store="fake", target=block))
    for name, text in (("type-upper", "{{ .v | upper }}"), ("type-base32", "{{ .v | b32enc }}!")):
        block = {"template": {"type": text, "metadata": {"labels": {"a": f"{text} !"}}}}
        made.append(external_secret(namespace, name, refs, store="fake", target=block))
    for name, text in TEMPLATES.items():
        made.append(
            external_secret(
                namespace, f"template-{name}", refs, store="fake", target={"template": {"data": {"out": text}}}
            )
        )
    for part in ("labels", "annotations"):
        metadata = {part: {"told": "{{ .label }}", "{{ .label }}": "x"}}
        made.append(
            external_secret(
                namespace, f"metadata-{part}", refs, store="fake", target={"template": {"metadata": metadata}}
            )
        )
    for item in ("broken", "yaml"):
        for scope in ("KeysAndValues", "Values"):
            source = {"templateFrom": [{"secret": {"name": "source", "items": [{"key": item, "templateAs": scope}]}}]}
            made.append(
                external_secret(
                    namespace, f"source-{item}-{scope.lower()}", refs, store="fake", target={"template": source}
                )
            )
    for store in ("approle", "token", "userpass", "jwt", "broken-ca", "headers"):
        made.append(external_secret(namespace, f"store-{store}", {"v": (key, "bao")}, store=store))
    return made


def repeated(namespace: str, parrot: Parrot) -> list[Json]:
    """What sends its credential, or a value, to a server that repeats it in an error."""
    token = {"name": "login", "key": "token"}
    uses = [{"name": "c", "secretRef": {"name": "login"}}]
    headers = {"Authorization": "Bearer {{ .c.token }}", "X-Token": "{{ .c.token }}"}
    hook = {"url": f"{parrot.address}/{{{{ .remoteRef.key }}}}", "headers": headers, "secrets": uses}
    told = {"url": "http://{{ .c.token }}.invalid/", "secrets": uses, "result": {}}
    generators: dict[str, tuple[str, Json]] = {
        "hook": ("Webhook", {**hook, "url": parrot.address, "result": {"jsonPath": "$.x"}}),
        "host": ("Webhook", told),
        "dashboards": (
            "Grafana",
            {"url": parrot.address, "auth": {"token": token}, "serviceAccount": {"name": "app", "role": "Viewer"}},
        ),
        "basic": (
            "Grafana",
            {
                "url": parrot.address,
                "auth": {"basic": {"username": "nobody", "password": token}},
                "serviceAccount": {"name": "app", "role": "Viewer"},
            },
        ),
    }
    made = [
        {
            **thing("Secret", "login", api="v1", stringData={"token": VALUES["credential"]}),
            "metadata": {"name": "login", "namespace": namespace, "labels": {"external-secrets.io/type": "webhook"}},
        },
        secret_store(namespace, {"webhook": {**hook, "result": {"jsonPath": "$.x"}}}, "hook"),
        secret_store(namespace, {"webhook": told}, "host"),
        secret_store(
            namespace,
            {"webhook": {**hook, "method": "POST", "body": "{{ .remoteRef.remoteKey }}", "result": {}}},
            "post",
        ),
    ]
    for name, (kind, spec) in generators.items():
        made.append(thing(kind, name, namespace, api=f"generators.{GROUP}/v1alpha1", spec=spec))
        ref = {"apiVersion": f"generators.{GROUP}/v1alpha1", "kind": kind, "name": name}
        block = {"refreshInterval": "1h", "dataFrom": [{"sourceRef": {"generatorRef": ref}}]}
        made.append({**external_secret(namespace, f"generator-{name}", {}, store="fake"), "spec": block})
    for number in range(5):
        made.append(external_secret(namespace, f"hook-{number}", {"v": f"key-{number}"}, store="hook"))
        made.append(push_secret(namespace, f"push-{number}", {"token": f"to-{number}"}, source="login", stores=HOOKS))
    made.append(external_secret(namespace, "host", {"v": "key"}, store="host"))
    made.append(push_secret(namespace, "push-denied", {"token": "no/right"}, source="login", stores=[{"name": "bao"}]))
    for name, text in PUSHED.items():
        template = {"data": {"token": text}}
        made.append(
            push_secret(namespace, f"push-{name}", {"token": "x"}, source="login", stores=HOOKS, template=template)
        )
    return made


HOOKS = [{"name": "hook"}, {"name": "post"}]
PUSHED = {
    "fail": "{{ fail (upper .token) }}",
    "json": "{{ .token | mustFromJson }}",
    "turned": "{{ .token | b32enc }}",
}


def extract(key: str, store: str = "fake") -> Json:
    return {
        "refreshInterval": "1h",
        "secretStoreRef": {"name": store, "kind": "SecretStore"},
        "dataFrom": [{"extract": {"key": key}}],
    }


def decoded(key: str) -> Json:
    return {"secretKey": "v", "remoteRef": {"key": key, "property": "notbase64", "decodingStrategy": "Base64"}}


@pytest.fixture
def busy(cluster: Cluster, openbao: OpenBao, namespace: str) -> Iterator[tuple[Behind, list[str]]]:
    """The operator at debug level, after every object got its condition; a second pass over all of them has been made
    too."""
    allow_namespace(cluster, openbao, namespace)
    for method in ("approle", "userpass", "jwt"):
        if f"{method}/" not in openbao.request("GET", "sys/auth")["data"]:
            openbao.enable_auth(method)
    openbao.put(
        "secret",
        f"{namespace}/db",
        {"bao": VALUES["bao"], "malformed": VALUES["malformed"], "notbase64": VALUES["bao"] + "%"},
    )
    openbao.put("secret", f"{namespace}/keys", {VALUES["key"]: "harmless"})
    objects = consumers(namespace)
    names = [one["metadata"]["name"] for one in objects]
    with Parrot() as parrot, Behind(cluster, namespace, loglevel="debug") as behind:
        cluster.apply([*stores(namespace, openbao), *repeated(namespace, parrot), *objects])
        behind.operator.start()

        def all_told() -> bool:
            silent = [
                one["metadata"]["name"]
                for plural in ("externalsecrets", "pushsecrets")
                for one in cluster.api.list(plural, namespace)
                if not one.get("status", {}).get("conditions")
            ]
            assert not silent, f"no condition yet: {silent}"
            return True

        eventually(all_told, 60, every=0.5, what="a condition on every object")
        for name in names:
            cluster.api.patch("externalsecrets", namespace, name, {"metadata": {"annotations": {"force-sync": "now"}}})
        behind.settle(60)
        assert parrot.heard > len(SPELLINGS), "nothing was repeated"
        yield behind, names


def test_no_log_line_event_status_or_metric_holds_a_planted_value(
    cluster: Cluster, busy: tuple[Behind, list[str]]
) -> None:
    behind, _ = busy
    namespace = behind.namespace
    plurals = ("externalsecrets", "secretstores", "pushsecrets")
    objects = [one for plural in plurals for one in cluster.api.list(plural, namespace)]
    synced = {
        one["metadata"]["name"]
        for one in objects
        if one.get("status", {}).get("conditions", [{}])[0].get("status") == "True"
    }
    failed = {one["metadata"]["name"] for one in objects} - synced
    assert {"good-bao", "good-fake", "bao", "fake"} <= synced
    assert {
        *("template-fail", "inner", "store-token", "source-broken-values", "source-yaml-keysandvalues", "type-base32"),
        *(
            "hook-1",
            "host",
            "generator-hook",
            "generator-host",
            "generator-basic",
            "push-1",
            "push-denied",
            "push-fail",
        ),
        *(f"keys-{name}" for name in KEYS),
        *(f"template-{name}" for name in TEMPLATES if name.startswith("fail")),
    } <= failed, "the canaries were not in danger"
    assert cluster.secret(namespace, "good-bao") == {"v": VALUES["bao"]}
    metrics = behind.operator.metrics().text
    told = {
        "the log": behind.operator.logs(),
        "the metrics": metrics,
        "the events": json.dumps(cluster.api.list("events", namespace), ensure_ascii=False),
        "the statuses": json.dumps([one.get("status") for one in objects], ensure_ascii=False),
    }
    behind.operator.stop()
    told["the log after the end"] = behind.operator.logs()
    told = {where: text.lower() for where, text in told.items()}
    assert all(len(text) > 1000 for text in told.values())
    leaks = [
        f"{value!r} in {where}: …{around(text, trace)}…"
        for where, text in told.items()
        for value in CORES
        for trace in traces(value)
        if trace in text
    ]
    assert not leaks, "\n".join(leaks)


def around(text: str, trace: str) -> str:
    at = text.index(trace)
    return text[max(0, at - 200) : at + len(trace) + 40]
