"""What somebody who owns a few namespaces can apply to stop the others: one function for each attack.

Neighbours: hostile.py applies them beside a victim and measures; backend.py is the server that some of them name. An
attack is a list of objects; those of namespaces come first.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import requests

from e2e.bench.backend import HostileBackend
from e2e.harness.cluster import Api, Json
from e2e.harness.objects import external_secret, fake_provider, push_secret, secret_store, thing
from e2e.harness.process import free_port

Make = Callable[[HostileBackend], Iterator[Json]]
Busy = Callable[[Api, threading.Event], None]


@dataclass(frozen=True, slots=True)
class Attack:
    """`namespaces`: which the objects lie in. `victim`: the template of the victim, where one of another kind has to
    show that it is served. `flags`: of the operator, beside those of the Deployment. `busy`: what the tenant does in
    `threads` threads while the victim is measured, until the event is set. `restart`: the operator starts anew once the
    objects are there, and lists them all."""

    name: str
    make: Make
    namespaces: tuple[str, ...] = ("hostile",)
    victim: Json | None = None
    busy: Busy | None = None
    threads: int = 1
    restart: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)


ATTACKS: Final[dict[str, Attack]] = {}


def attack(
    name: str,
    *,
    namespaces: int = 1,
    victim: Json | None = None,
    busy: Busy | None = None,
    threads: int = 1,
    restart: bool = False,
    flags: Mapping[str, str] | None = None,
) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        names = tuple(f"hostile-{n}" for n in range(namespaces)) if namespaces > 1 else ("hostile",)
        ATTACKS[make.__name__.replace("_", "-")] = Attack(
            name, make, names, victim, busy, threads, restart, flags or {}
        )
        return make

    return register


WHERE = "hostile"
CHANGE_SOURCES: Final = "extensions.external-secrets.io/v1alpha1"


def faked(value: str, where: str = WHERE, name: str = "store") -> Json:
    return secret_store(where, fake_provider({"key": value}), name)


def templated(name: str, text: str, engine: str = "v2", where: str = WHERE, **target: object) -> Json:
    template = {"engineVersion": engine, "data": {"out": text}}
    return external_secret(where, name, {"key": "key"}, target={"template": template}, interval="1s")


def vault(
    backend: HostileBackend, mode: str, where: str = WHERE, name: str = "store", **spec: object
) -> Iterator[Json]:
    """A store of the hostile server, which does what the mount says."""
    yield thing("Secret", "token", where, api="v1", stringData={"token": "t"})
    auth = {"tokenSecretRef": {"name": "token", "key": "token"}}
    provider = {"vault": {"server": backend.server(name), "path": mode, "version": "v2", "auth": auth}}
    yield secret_store(where, provider, name, **spec)


def many(name: str, keys: int, store: Callable[[int], str], where: str = WHERE, interval: str = "1s") -> Json:
    data = [
        {
            "secretKey": f"k{n}",
            "remoteRef": {"key": f"{name}-{n}"},
            "sourceRef": {"storeRef": {"name": store(n), "kind": "SecretStore"}},
        }
        for n in range(keys)
    ]
    return external_secret(where, name, {}, interval=interval) | {
        "spec": {"refreshInterval": interval, "target": {"name": name}, "data": data}
    }


# computing


@attack("A1 a property path over nested JSON")
def gjson_path(_: HostileBackend) -> Iterator[Json]:
    nested = '{"a":' * 3_400 + "1" + "}" * 3_400
    yield faked(json.dumps({"a": nested, "b": [[{"x": n}] for n in range(4_000)]}))
    for n in range(10):
        data = {"k": ("key", "*." * 500 + "x" * (3_000 + n))}
        yield external_secret(WHERE, f"es-{n}", data, interval="1s")


SLOW_PATTERN: Final = "(?:x?y?){1000}" * 3 + "$q"


@attack("A2 regular expressions: find, rewrite, template")
def expressions(_: HostileBackend) -> Iterator[Json]:
    yield secret_store(WHERE, fake_provider({"x" * 200 + str(n): "v" for n in range(3_000)}))
    patterns = (SLOW_PATTERN, "(?:x?y?){400}$q", "(.*)(.*)(.*)(.*)z")
    for n, pattern in enumerate(patterns):
        find = {"find": {"name": {"regexp": pattern}}}
        yield external_secret(WHERE, f"find-{n}", {}, interval="1s", dataFrom=[find])
        rewrite = {"find": {"name": {"regexp": "x"}}, "rewrite": [{"regexp": {"source": pattern, "target": "y"}}]}
        yield external_secret(WHERE, f"rewrite-{n}", {}, interval="1s", dataFrom=[rewrite])
    yield templated("template", '{{ regexMatch "(?:x?y?){400}$q" (repeat 50000 "xy") }}')


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode().rstrip("=")


@attack("A3 keys of Mersenne primes")
def large_keys(_: HostileBackend) -> Iterator[Json]:
    p, q = 2**9689 - 1, 2**9941 - 1
    n, e = p * q, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    key = {"kty": "RSA", "n": number(n), "e": number(e), "d": number(d), "p": number(p), "q": number(q)}
    key |= {"dp": number(d % (p - 1)), "dq": number(d % (q - 1)), "qi": number(pow(q, -1, p))}
    yield faked(json.dumps(key))
    for i in range(5):
        yield templated(f"jwk-{i}", "{{ jwkPrivateKeyPem .key }}")
        yield templated(f"made-{i}", '{{ genPrivateKey "rsa" }}{{ derivePassword 1 "long" "a" "b" "c" }}')


@attack("C1 18 templates that print one value of 900 KB three hundred times")
def repeated_values(_: HostileBackend) -> Iterator[Json]:
    yield faked("x" * 900_000)
    for n, form in enumerate(("print", "list", "quote", "join `,` (list", "printf `%s%s` .key", "toJson (list") * 3):
        yield templated(f"es-{n}", "{{ " + form + " .key" * (300 - n) + ")" * form.count("(") + " }}")


@attack("C2 20 objects with 35 values of 900 KB that are almost base 64")
def almost_base64(_: HostileBackend) -> Iterator[Json]:
    yield faked("QUFB" * 225_000 + "!")
    for n in range(20):
        one = external_secret(WHERE, f"es-{n}", {f"k{i}": "key" for i in range(35)}, interval="1s")
        for entry in one["spec"]["data"]:
            entry["remoteRef"]["decodingStrategy"] = "Auto"
        yield one


@attack("C3 costly paths into a document of 900 KB, 100 in each of 5 objects of three namespaces", namespaces=3)
def costly_paths(_: HostileBackend) -> Iterator[Json]:
    document = json.dumps([[n] for n in range(110_000)], separators=(",", ":"))
    for n in range(3):
        where = f"hostile-{n}"
        yield faked(document, where)
        for i in range(5):
            data = {f"k{k}": ("key", f"@reverse|@valid|@flatten|{k}") for k in range(100)}
            yield external_secret(where, f"es-{i}", data, interval="1s")


@attack("C4 templates with fifty expressions that are refused, and compiled again")
def repeated_expressions(_: HostileBackend) -> Iterator[Json]:
    yield faked("value")
    for n in range(40):
        text = "".join(f'{{{{ $x := regexMatch "(?i)([^k]{{30}}){{30}}{n}x{i}" "v" }}}}' for i in range(12))
        yield templated(f"es-{n}", f"{{{{ range until 4 }}}}{text}{{{{ end }}}}")


ENDLESS: Final = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@attack(
    "N1 endless templates of three tenants; the victim's is costly too",
    namespaces=3,
    victim={"engineVersion": "jinja2", "data": {"out": "{{ key | upper }}"}},
)
def endless_templates(_: HostileBackend) -> Iterator[Json]:
    for n in range(3):
        where = f"hostile-{n}"
        yield faked("value", where)
        for i in range(10):
            yield templated(f"endless-{i}", ENDLESS, "jinja2", where)
            yield templated(f"memory-{i}", "{{ 'x' * 120000000 }}", "jinja2", where)
            yield templated(
                f"loop-{i}",
                "{{ range $i := until 1000 }}{{ range $j := until 1000 }}{{ add $i $j }}{{ end }}{{ end }}",
                where=where,
            )


# memory


@attack("A4 20 objects with 15 wide ConfigMaps of a megabyte each")
def wide_sources(_: HostileBackend) -> Iterator[Json]:
    for n in range(15):
        yield thing("ConfigMap", f"wide-{n}", WHERE, api="v1", data={"k": "x" * 1_040_000 + "\U0001f600"})
    yield faked("value")
    sources = [{"configMap": {"name": f"wide-{n}", "items": [{"key": "k", "templateAs": "Values"}]}} for n in range(15)]
    for n in range(20):
        template = {"engineVersion": "jinja2", "templateFrom": sources}
        yield external_secret(WHERE, f"es-{n}", {"key": "key"}, target={"template": template}, interval="1s")


@attack("A4 one object, ten servers that stall at the end of 4 MiB")
def dripping_replies(backend: HostileBackend) -> Iterator[Json]:
    for n in range(10):
        yield from vault(backend, "drip", name=f"store-{n}")
    for n in range(4):
        yield many(f"es-{n}", 1_000, lambda n: f"store-{n % 10}")


@attack("A4 100 replies of 4 MiB of small maps")
def small_maps(backend: HostileBackend) -> Iterator[Json]:
    yield from vault(backend, "maps")
    yield many("es", 100, lambda _: "store")
    yield from vault(backend, "fewmaps", name="few")
    yield many("few", 100, lambda _: "few")


@attack("A4 8 objects with 7,000 references to stores that are missing")
def missing_stores(_: HostileBackend) -> Iterator[Json]:
    for n in range(8):
        yield many(f"es-{n}", 7_000, lambda n: f"missing-{n}")


@attack("A8 3 objects with 20 extracts of a map of 70,000")
def many_keys(_: HostileBackend) -> Iterator[Json]:
    yield faked(json.dumps({f"k{n}": "v" for n in range(70_000)}, separators=(",", ":")))
    for n in range(3):
        entries = [{"extract": {"key": "key"}}] * 20
        yield external_secret(WHERE, f"es-{n}", {}, interval="1s", dataFrom=entries)


@attack("M1 4 pushes of a megabyte to 300 stores that do not answer")
def large_pushes_to_many(backend: HostileBackend) -> Iterator[Json]:
    yield thing("Secret", "large", WHERE, api="v1", stringData={"k": "x" * 1_000_000})
    for n in range(300):
        yield from vault(backend, "silent", name=f"store-{n}")
    stores = [{"name": f"store-{n}"} for n in range(300)]
    for n in range(4):
        yield push_secret(WHERE, f"ps-{n}", {"k": f"to-{n}"}, source="large", stores=stores, interval="1s")


@attack("M2 20 kubeconfigs with merged keys, lists of lists and numbers in sixties")
def costly_kubeconfigs(_: HostileBackend) -> Iterator[Json]:
    keys = ",".join(f"k{n}: 1" for n in range(20_000))
    texts = (
        f"a: &a {{{keys}}}\n" + "".join(f"m{n}: {{<<: *a}}\n" for n in range(300)),
        "a: [" + "[]," * 330_000 + "]",
        "a: 1:" + "1:" * 300_000 + "1",
    )
    for n in range(20):
        yield thing("Secret", f"config-{n}", WHERE, api="v1", stringData={"config": texts[n % len(texts)] + f"\n# {n}"})
        yield secret_store(WHERE, {"kubernetes": {"authRef": {"name": f"config-{n}", "key": "config"}}}, f"store-{n}")
        yield external_secret(WHERE, f"es-{n}", {"k": "key"}, store=f"store-{n}", interval="1s")


# places


@attack("A5 560 objects of six namespaces that search a server which never comes to an end", namespaces=6)
def slow_searches(backend: HostileBackend) -> Iterator[Json]:
    for n in range(6):
        where = f"hostile-{n}"
        yield from vault(backend, "deep", where)
        for i in range(93):
            find = {"find": {"name": {"regexp": f".*{i}"}}}
            yield external_secret(where, f"es-{i}", {}, interval="1s", dataFrom=[find])


@attack("N2 400 objects of 20 namespaces whose stores ask for ten retries a minute apart", namespaces=20)
def long_retries(backend: HostileBackend) -> Iterator[Json]:
    for n in range(20):
        where = f"hostile-{n}"
        retries = {"maxRetries": 10, "retryInterval": "60s"}
        yield from vault(backend, "down", where, retrySettings=retries)
        for i in range(20):
            yield external_secret(where, f"es-{i}", {"k": f"key-{i}"}, interval="1s")


@attack("N3 600 objects of 30 namespaces whose server accepts and says nothing", namespaces=30)
def silent_servers(backend: HostileBackend) -> Iterator[Json]:
    for n in range(30):
        where = f"hostile-{n}"
        yield from vault(backend, "silent", where, name=f"store-{n}")
        for i in range(20):
            yield external_secret(where, f"es-{i}", {"k": f"key-{i}"}, store=f"store-{n}", interval="1s")


# the loop itself


@attack("A6 a new TLS connection for every read")
def handshakes(backend: HostileBackend) -> Iterator[Json]:
    yield thing("Secret", "token", WHERE, api="v1", stringData={"token": "t"})
    ca = base64.b64encode(backend.ca).decode()
    auth = {"tokenSecretRef": {"name": "token", "key": "token"}}
    provider = {"server": backend.tls, "path": "closing", "version": "v2", "auth": auth, "caBundle": ca}
    yield secret_store(WHERE, {"vault": provider})
    for n in range(6):
        yield many(f"es-{n}", 50, lambda _: "store")


@attack("A7 ten expressions of a megabyte that do not compile")
def long_errors(_: HostileBackend) -> Iterator[Json]:
    yield faked("value")
    for n in range(10):
        find = {"find": {"name": {"regexp": "(" + "x" * 1_300_000}}}
        yield external_secret(WHERE, f"es-{n}", {}, interval="1s", dataFrom=[find])


@attack("N4 searches through 50,000 names")
def many_names(backend: HostileBackend) -> Iterator[Json]:
    yield from vault(backend, "names")
    for n in range(5):
        find = {"find": {"name": {"regexp": f"(.*)(.*)(.*)z{n}"}}}
        yield external_secret(WHERE, f"es-{n}", {}, interval="1s", dataFrom=[find])


NAMESPACES: Final = 2_000


@attack(f"N5 {NAMESPACES:,} namespaces with a store and an object each, due every second", namespaces=NAMESPACES)
def many_namespaces(_: HostileBackend) -> Iterator[Json]:
    for n in range(NAMESPACES):
        yield faked("value", f"hostile-{n}")
        yield external_secret(f"hostile-{n}", "es", {"k": "key"}, interval="1s")


# what the caches hold


def marked(one: Json) -> Json:
    """The same with as much metadata as the API server takes."""
    one["metadata"]["annotations"] = {f"a{n}": "x" * 990 for n in range(250)}
    return one


@attack("L1 150 ExternalSecrets of 380 KB, listed anew after a restart", restart=True)
def large_objects(_: HostileBackend) -> Iterator[Json]:
    yield faked("value")
    for n in range(150):
        data = [{"secretKey": f"k{i}", "remoteRef": {"key": "key"}} for i in range(2_600)]
        yield external_secret(WHERE, f"es-{n}", {}, interval="1s", data=data)


@attack("L2 1,000 stores of 300 KB, listed anew after a restart", restart=True)
def large_stores(_: HostileBackend) -> Iterator[Json]:
    for n in range(1_000):
        yield secret_store(WHERE, fake_provider({f"key-{i}": "x" * 1_000 for i in range(280)}), f"store-{n}")


@attack("L3 2,000 PushSecrets of 100 KB, listed anew after a restart", restart=True)
def large_pushes(_: HostileBackend) -> Iterator[Json]:
    yield faked("value")
    for n in range(2_000):
        yield push_secret(WHERE, f"ps-{n}", {f"k{i}": f"r{i}" for i in range(900)}, source="missing", interval="1s")


@attack("L4 4,000 ExternalSecrets of 15 KB, listed anew after a restart", restart=True)
def many_objects(_: HostileBackend) -> Iterator[Json]:
    for n in range(4_000):
        data = {f"k{i}": f"{n}" for i in range(100)}
        yield external_secret(WHERE, f"es-{n}", data, store="missing")


@attack("L5 900 objects of three kinds with 250 KB of annotations, listed anew after a restart", restart=True)
def wide_metadata(_: HostileBackend) -> Iterator[Json]:
    for n in range(300):
        yield marked(external_secret(WHERE, f"es-{n}", {"k": "key"}))
        yield marked(secret_store(WHERE, fake_provider({"key": ""}), f"store-{n}"))
        source = {"storeRefs": [{"name": "store"}], "poll": {}}
        yield marked(thing("ChangeSource", f"source-{n}", WHERE, api=CHANGE_SOURCES, spec=source))


# news


def storm(api: Api, stop: threading.Event) -> None:
    """Objects that come and go."""
    mine = f"storm-{uuid.uuid4()}"
    for n in itertools.count():
        if stop.is_set():
            return
        api.create("externalsecrets", WHERE, external_secret(WHERE, f"{mine}-{n}", {"k": "key"}))
        if n >= 20:
            api.delete("externalsecrets", WHERE, f"{mine}-{n - 20}")


@attack("S1 objects made and deleted in a loop, as fast as the API server takes them", busy=storm, threads=4)
def object_storm(_: HostileBackend) -> Iterator[Json]:
    yield faked("value")


def edits(api: Api, stop: threading.Event) -> None:
    for n in itertools.count():
        if stop.wait(0.01):
            return
        api.patch("configmaps", WHERE, "source", {"data": {"text": f"{n}"}})
        api.patch("externalsecrets", WHERE, "es-0", {"metadata": {"annotations": {"n": f"{n}"}}})


@attack("S2 a template source with 500 dependents and one of these, edited a hundred times a second", busy=edits)
def edited_source(_: HostileBackend) -> Iterator[Json]:
    yield thing("ConfigMap", "source", WHERE, api="v1", data={"text": "0"})
    yield faked("value")
    source = {"configMap": {"name": "source", "items": [{"key": "text", "templateAs": "Values"}]}}
    for n in range(500):
        template = {"engineVersion": "v2", "templateFrom": [source], "data": {"k": "{{ .key }}"}}
        yield external_secret(WHERE, f"es-{n}", {"key": "key"}, target={"template": template})


EVENTS: Final = f"127.0.0.1:{free_port()}"
SOURCES, READERS, KEYS = 100, 500, 40


def ring(api: Api, stop: threading.Event) -> None:
    """Events that name every key, for one source after the other."""
    body = json.dumps({"keys": [f"key-{n}" for n in range(KEYS)]}).encode()
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer t"
        for n in itertools.cycle(range(SOURCES)):
            if stop.wait(0.002):
                return
            session.post(f"http://{EVENTS}/v1/changes/{WHERE}/source-{n}", data=body, timeout=30)


@attack(
    f"S6 events without end for {SOURCES} ChangeSources of one store: {READERS} objects read each of {KEYS} keys",
    busy=ring,
    threads=4,
    flags={"change-events-addr": EVENTS},
)
def event_ring(_: HostileBackend) -> Iterator[Json]:
    yield secret_store(WHERE, fake_provider({f"key-{n}": "value" for n in range(KEYS)}))
    yield thing("Secret", "sender", WHERE, api="v1", stringData={"token": "t"})
    auth = {"bearer": {"secretRefs": [{"name": "sender", "key": "token"}]}}
    for n in range(SOURCES):
        spec = {"storeRefs": [{"name": "store"}], "webhook": {"auth": auth}}
        yield thing("ChangeSource", f"source-{n}", WHERE, api=CHANGE_SOURCES, spec=spec)
    for n in range(READERS):
        yield external_secret(WHERE, f"es-{n}", {f"k{i}": f"key-{i}" for i in range(KEYS)})


@attack("S3 5,000 objects that ask to be refreshed every nanosecond to second")
def short_intervals(_: HostileBackend) -> Iterator[Json]:
    yield faked("value")
    for n in range(5_000):
        yield external_secret(WHERE, f"es-{n}", {"k": "key"}, interval=("1ns", "1us", "1ms", "1s")[n % 4])


@attack(
    "S4 100 new namespaces with an endless template each; the victim's is costly too",
    namespaces=100,
    victim={"engineVersion": "jinja2", "data": {"out": "{{ key | upper }}"}},
)
def newcomers(_: HostileBackend) -> Iterator[Json]:
    for n in range(100):
        yield faked("value", f"hostile-{n}")
        yield templated("endless", ENDLESS, "jinja2", f"hostile-{n}")


@attack("S5 1,000 stores whose ports are closed, and 1,000 whose server sends a byte a second")
def dead_servers(backend: HostileBackend) -> Iterator[Json]:
    for n in range(1_000):
        yield from vault(backend, "trickle", name=f"slow-{n}")
        provider = {
            "vault": {
                "server": f"http://127.0.0.1:{n % 900 + 1}",
                "path": "x",
                "version": "v2",
                "auth": {"tokenSecretRef": {"name": "token", "key": "token"}},
            }
        }
        yield secret_store(WHERE, provider, f"dead-{n}")
        yield external_secret(WHERE, f"slow-{n}", {"k": "key"}, store=f"slow-{n}", interval="1s")
        yield external_secret(WHERE, f"dead-{n}", {"k": "key"}, store=f"dead-{n}", interval="1s")


# pushes and generators

GENERATORS: Final = "generators.external-secrets.io/v1alpha1"


def numbered(name: str, keys: int, value: str = "v") -> Json:
    data = {f"k{i}": base64.b64encode(value.encode()).decode() for i in range(keys)}
    return thing("Secret", name, WHERE, api="v1", data=data)


@attack("K1 20 PushSecrets with 5,000 entries each, of a Secret with 20,000 keys, each second")
def many_entries(_: HostileBackend) -> Iterator[Json]:
    yield faked("value")
    yield numbered("source", 20_000)
    for n in range(20):
        one = push_secret(
            WHERE, f"ps-{n}", {f"k{i}": f"{n}/{i}" for i in range(5_000)}, source="source", interval="1ns"
        )
        for entry in one["spec"]["data"]:
            entry["conversionStrategy"] = "ReverseUnicode"
        yield one


@attack("K2 20 PushSecrets with 2,000 bundles each, of a Secret with 20,000 keys")
def many_bundles(_: HostileBackend) -> Iterator[Json]:
    yield faked("value")
    yield numbered("source", 20_000)
    for n in range(20):
        rules = [{"storeRef": {"name": "store"}, "remoteKey": f"{n}/{i}"} for i in range(2_000)]
        yield push_secret(WHERE, f"ps-{n}", {}, source="source", interval="1s", dataTo=rules)


def reselected(api: Api, stop: threading.Event) -> None:
    """Selectors that move, so that every store may be needed anew."""
    for n in itertools.count():
        if stop.is_set():
            return
        refs = [{"labelSelector": {"matchLabels": {"no": f"{n}-{i}"}}} for i in range(60)]
        api.patch("pushsecrets", WHERE, f"ps-{n % 100}", {"spec": {"secretStoreRefs": refs}})


@attack("K3 100 PushSecrets with 60 label selectors that move, and 300 stores", busy=reselected)
def many_selectors(_: HostileBackend) -> Iterator[Json]:
    yield numbered("source", 1)
    for n in range(300):
        yield faked("value", name=f"store-{n}")
    for n in range(100):
        refs = [{"labelSelector": {"matchLabels": {"no": f"{i}"}}} for i in range(60)]
        yield push_secret(WHERE, f"ps-{n}", {"k0": "k"}, source="source", stores=refs, deletionPolicy="Delete")


@attack("K4 generators: seeds of 700 KB, passwords of thousands of symbols, RSA keys of 8192 bits")
def costly_generators(_: HostileBackend) -> Iterator[Json]:
    seed = base64.b64encode(b"7" * 700_000).decode()
    yield thing("Secret", "seed", WHERE, api="v1", data={"key": seed})
    yield thing("MFA", "mfa", WHERE, api=GENERATORS, spec={"secret": {"name": "seed", "key": "key"}})
    symbols = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    keys = [f"k{i}" for i in range(4_000)]
    spec = {"length": 1, "digits": 0, "symbols": 1, "symbolCharacters": symbols, "secretKeys": keys}
    yield thing("Password", "wide", WHERE, api=GENERATORS, spec=spec)
    few = spec | {"symbolCharacters": symbols[:4_000], "secretKeys": keys[:1_000]}
    yield thing("Password", "narrow", WHERE, api=GENERATORS, spec=few)
    yield thing("SSHKey", "long", WHERE, api=GENERATORS, spec={"keyType": "rsa", "keySize": 8192})
    for n, (kind, name) in enumerate(
        (("MFA", "mfa"), ("Password", "wide"), ("Password", "narrow"), ("SSHKey", "long")) * 5
    ):
        one = external_secret(WHERE, f"es-{n}", {}, interval="1s")
        one["spec"] = {
            "refreshInterval": "1s",
            "dataFrom": [{"sourceRef": {"generatorRef": {"kind": kind, "name": name}}}],
        }
        yield one
