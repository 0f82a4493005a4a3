"""Values that cannot be mistaken are planted wherever a value can be; afterwards nobody has told any of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from e2e.harness.cluster import Cluster, Json
from e2e.harness.objects import allow_namespace, external_secret, secret_store, thing, vault_provider
from e2e.harness.openbao import OpenBao
from e2e.harness.waiting import eventually
from tests.harness.behind import Behind

pytestmark = pytest.mark.real


def canary(name: str) -> str:
    """Long, odd, and unlike anything that a rule for credentials would recognise."""
    return f"Zq7{name}canaryXk93{name[::-1]}Wv"


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
}

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
}


def spellings(value: str) -> set[str]:
    """The value as it could appear: plain, base64 at each offset, URL, JSON. Parts that depend on their neighbours are
    cut off."""
    raw = value.encode()
    found = {value, quote(value, safe=""), json.dumps(value)[1:-1], raw.hex()}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(b"\0" * shift + raw).decode()[4 if shift else 0 : -4])
    # the core of a value also counts where its odd ends were cut off
    return found | {part for part in value.replace('"', " ").replace("/", " ").split() if "canary" in part}


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
    refs: dict[str, str | tuple[str, str]] = {"v": "template", "malformed": "malformed", "label": "label"}
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
    with Behind(cluster, namespace, loglevel="debug") as behind:
        cluster.apply([*stores(namespace, openbao), *objects])
        behind.operator.start()

        def all_told() -> bool:
            silent = [
                one["metadata"]["name"]
                for one in cluster.api.list("externalsecrets", namespace)
                if not one.get("status", {}).get("conditions")
            ]
            assert not silent, f"no condition yet: {silent}"
            return True

        eventually(all_told, 60, every=0.5, what="a condition on every object")
        for name in names:
            cluster.api.patch("externalsecrets", namespace, name, {"metadata": {"annotations": {"force-sync": "now"}}})
        behind.settle(60)
        yield behind, names


def test_no_log_line_event_status_or_metric_holds_a_planted_value(
    cluster: Cluster, busy: tuple[Behind, list[str]]
) -> None:
    behind, _ = busy
    namespace = behind.namespace
    objects = [one for plural in ("externalsecrets", "secretstores") for one in cluster.api.list(plural, namespace)]
    synced = {
        one["metadata"]["name"]
        for one in objects
        if one.get("status", {}).get("conditions", [{}])[0].get("status") == "True"
    }
    failed = {one["metadata"]["name"] for one in objects} - synced
    assert {"good-bao", "good-fake", "bao", "fake"} <= synced
    assert {"template-fail", "inner", "store-token", "source-broken-values", "source-yaml-keysandvalues"} <= failed, (
        "the canaries were not in danger"
    )
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
    assert all(len(text) > 1000 for text in told.values())
    leaks = [
        f"{name!r} in {where}: …{around(text, spelling)}…"
        for name, value in VALUES.items()
        for spelling in spellings(value)
        for where, text in told.items()
        if spelling in text
    ]
    assert not leaks, "\n".join(leaks)


def around(text: str, spelling: str) -> str:
    at = text.index(spelling)
    return text[max(0, at - 200) : at + len(spelling) + 40]
