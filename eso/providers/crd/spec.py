"""The rules of a `crd` store: what admission refuses, which kind it reads, what of it is let through.

Neighbours: connect.py logs in as the Plan says, client.py asks the whitelist before each read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

from eso.gocompat import regexp
from eso.gocompat.text import quote
from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.clusterspec import checked, credentials, endpoint, places
from eso.providers.kit.selectors import Json, consumer, has, part

NO_SECRETS: Final = 'kind "Secret" is not allowed: use the Kubernetes provider to read Kubernetes Secrets'
MOST_STEPS: Final = 5_000  # of asking the rules of a store for one object
MOST_COMPILING: Final = 20_000  # of all rules of a store, which are compiled once
# What a store may differ in and still be the same login.
NOT_LOGIN: Final = frozenset({"whitelist"})


class CrdSpec:
    name: ClassVar[str] = "crd"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if part(block, "server").get("url") and not (has(block, "auth") or has(block, "authRef")):
            raise InvalidConfig("server.url requires auth or authRef when set", fix="set auth or authRef")
        warnings = checked(store)
        kind_of(block)
        for at, rule in enumerate(rules(block)):
            if not store.cluster_scoped and rule.namespace:
                raise InvalidConfig(
                    f"crd: whitelist.rules[{at}].namespace is only supported with ClusterSecretStore",
                    fix="leave the namespace out: a SecretStore reads its own",
                )
        return warnings

    def plan(self, store: StoreView) -> Plan:
        """API servers say 429 with Retry-After per user, and publish no number. The whitelist belongs to reads."""
        block = store.provider_spec
        kind_of(block)
        rules(block)
        return Plan(
            endpoint(block),
            {name: value for name, value in block.items() if name not in NOT_LOGIN} | {"namespace": store.namespace},
            consumer(store, list(credentials(block))),
            places(block),
            quota=Quota.LOGIN,
        )


SPEC: Final = CrdSpec()


@dataclass(frozen=True, slots=True)
class Kind:
    group: str
    version: str
    kind: str

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def kind_of(block: Json) -> Kind:
    """Raises InvalidConfig with the reference's text."""
    resource = part(block, "resource")
    found = Kind(*(str(resource.get(name) or "") for name in ("group", "version", "kind")))
    if not found.version:
        raise InvalidConfig("resource.version is required")
    if not found.kind:
        raise InvalidConfig("resource.kind is required")
    if found.kind.lower() == "secret" and found.version == "v1" and found.group in ("", "core"):
        raise InvalidConfig(NO_SECRETS)
    return found


@dataclass(frozen=True, slots=True)
class Rule:
    """RE2 expressions, unanchored; None and () where the rule does not say."""

    name: regexp.Regexp | None
    namespace: regexp.Regexp | None
    properties: tuple[regexp.Regexp, ...]

    def lets(self, store: StoreView, name: str, namespace: str, property: str, meter: regexp.Allowance) -> bool:
        if self.name is not None and not matches(self.name, name, meter):
            return False
        asked = self.namespace if store.cluster_scoped else None  # a SecretStore's namespace is fixed
        if asked is not None and not (namespace and matches(asked, namespace, meter)):
            return False
        if not self.properties:
            return True
        return bool(property) and any(matches(one, property, meter) for one in self.properties)


def rules(block: Json) -> tuple[Rule, ...]:
    """Raises InvalidConfig with the reference's text."""
    listed = part(block, "whitelist").get("rules")
    entries: list[Any] = listed if isinstance(listed, list) else []
    return _rules(tuple(texts_of(entry if isinstance(entry, dict) else {}) for entry in entries))


Texts = tuple[str, str, tuple[str, ...]]  # of one rule: name, namespace, properties


@lru_cache(maxsize=64)
def _rules(entries: tuple[Texts, ...]) -> tuple[Rule, ...]:
    """Every read sees the store through its rules, so they are compiled once. Raises InvalidConfig."""
    patterns = [text for name, namespace, properties in entries for text in (name, namespace, *properties)]
    steps = sum(
        min(regexp.compiling(text.encode("utf-8", "surrogatepass")), MOST_COMPILING) for text in patterns if text
    )
    if steps > MOST_COMPILING:
        raise InvalidConfig(
            f"crd: the whitelist rules together exceed {MOST_COMPILING} steps",
            fix="write fewer and simpler expressions",
        )
    return tuple(rule_of(at, entry) for at, entry in enumerate(entries))


def texts_of(entry: Json) -> Texts:
    listed = entry.get("properties")
    properties = tuple(str(one) for one in listed) if isinstance(listed, list) else ()
    return str(entry.get("name") or ""), str(entry.get("namespace") or ""), properties


def rule_of(at: int, entry: Texts) -> Rule:
    name, namespace, properties = entry
    place = f"whitelist.rules[{at}]"
    if not (name or namespace or properties):
        raise InvalidConfig(f"crd: {place}: whitelist rule must define name, namespace, or properties")
    return Rule(
        compiled(f"{place}.name", name) if name else None,
        compiled(f"{place}.namespace", namespace) if namespace else None,
        tuple(compiled(f"{place}.properties[{number}]", one) for number, one in enumerate(properties)),
    )


def compiled(place: str, pattern: str) -> regexp.Regexp:
    try:
        return regexp.compile(pattern)
    except regexp.RegexpError as error:
        text = f"crd: invalid {place} regex {quote(pattern)}: {error}"
        raise InvalidConfig(text, fix="write an RE2 expression") from error


def matches(pattern: regexp.Regexp, text: str, meter: regexp.Allowance) -> bool:
    return pattern.matches(text.encode("utf-8", "surrogateescape"), meter)


def lets(found: tuple[Rule, ...], store: StoreView, name: str, namespace: str, property: str) -> bool:
    """Whether one rule holds in all that it says; without rules everything may be read. Raises TooCostly."""
    meter = regexp.Allowance(MOST_STEPS)
    return not found or any(rule.lets(store, name, namespace, property, meter) for rule in found)


def place_of(store: StoreView, key: str) -> tuple[str, str | None]:
    """Name and namespace that a key names; None where it names no namespace. Raises InvalidConfig."""
    if not key:
        raise InvalidConfig("crd: ref.key must not be empty")
    namespace, slash, name = key.partition("/")
    if not store.cluster_scoped:
        if slash:
            raise InvalidConfig(
                "crd: remoteRef.key must not contain '/' for SecretStore; namespace is fixed to the store namespace"
            )
        return key, None
    if not slash:
        return key, None
    fault = next(faults(namespace, name), "")
    if fault:
        raise InvalidConfig(f"crd: invalid remoteRef.key {quote(key)}: {fault}")
    return name, namespace


def faults(namespace: str, name: str) -> Iterator[str]:
    if not namespace:
        yield "namespace segment before '/' must not be empty"
    if not name:
        yield "object name after '/' must not be empty"
    if "/" in name:
        yield "must be in \"namespace/objectName\" form (exactly one '/')"
