"""What a cluster shows → what is well, what is not, and what to do: the checks of `eso doctor`.

Neighbours: doctor.py reads the cluster and prints. Nothing here waits.
"""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import combinations
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from eso.api.crds.kinds import KINDS
from eso.api.wellknown import EXTENSIONS_GROUP, GENERATORS_GROUP, GROUP
from eso.gocompat.x509 import certificates

Json = dict[str, Any]

CONTROLLER: Final = "external-secrets"
"""app.kubernetes.io/name of the controller's Deployment and the name of its container, here and elsewhere."""
LEASE: Final = "external-secrets-controller"
TRUE: Final = ("true", "1", "t", "T", "TRUE", "True")
SKEW_TOLD, SKEW_BAD = 2.0, 30.0  # seconds; leases and windows of signatures suffer from more
SOON: Final = timedelta(days=14)
NAMED: Final = 5  # objects that a finding names

# What the operator asks of the API server with its default flags, cluster-wide: (group, resource, verbs).
RIGHTS: Final = (
    (GROUP, "externalsecrets", ("list", "watch", "create", "patch", "delete")),
    (GROUP, "externalsecrets/status", ("patch",)),
    (GROUP, "clusterexternalsecrets", ("list", "watch", "patch")),
    (GROUP, "clusterexternalsecrets/status", ("patch",)),
    (GROUP, "pushsecrets", ("list", "watch", "create", "patch", "delete")),
    (GROUP, "pushsecrets/status", ("patch",)),
    (GROUP, "clusterpushsecrets", ("list", "watch")),
    (GROUP, "clusterpushsecrets/status", ("patch",)),
    (GROUP, "secretstores", ("list", "watch", "patch")),
    (GROUP, "secretstores/status", ("patch",)),
    (GROUP, "clustersecretstores", ("list", "watch", "patch")),
    (GROUP, "clustersecretstores/status", ("patch",)),
    (GENERATORS_GROUP, "generatorstates", ("get", "list", "watch", "create", "patch", "delete")),
    ("", "secrets", ("get", "list", "watch", "create", "patch", "delete")),
    ("", "configmaps", ("get", "list", "watch")),
    ("", "namespaces", ("get", "list", "watch")),
    ("", "events", ("create", "patch")),
)


class State(Enum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"  # could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    state: State
    told: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What could not be read, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read. Each is a list of objects, or Unseen. `now` is this machine's time, `server_time` the API
    server's. `refused`: rights that a controller's account does not have, by "namespace/name" of its Deployment.
    `certificates`: PEM of the serving certificate by "namespace/name" of the Service, from its Secret. `mints`: the
    Deployments whose account may request tokens of every ServiceAccount."""

    now: datetime
    version: str
    server_time: datetime | None
    crds: list[Json] | Unseen
    deployments: list[Json] | Unseen
    leases: list[Json] | Unseen
    webhooks: list[Json] | Unseen
    slices: list[Json] | Unseen
    objects: Mapping[str, list[Json] | Unseen] = field(default_factory=dict)
    refused: Mapping[str, list[str] | Unseen] = field(default_factory=dict)
    certificates: Mapping[str, bytes] = field(default_factory=dict)
    policies: list[Json] | Unseen = field(default_factory=list)
    bindings: list[Json] | Unseen = field(default_factory=list)
    mints: Set[str] = frozenset()


def findings(facts: Facts) -> list[Finding]:
    """All checks, in the order in which one would look."""
    return [
        Finding("API server", State.OK, f"reachable, version {facts.version}"),
        clock(facts),
        *crds(facts),
        *controllers(facts),
        *rights(facts),
        *tokens(facts),
        *leaders(facts),
        *webhooks(facts),
        *(finding for kind, items in facts.objects.items() for finding in ready(kind, items)),
    ]


def worst(found: Sequence[Finding]) -> State:
    order = (State.OK, State.SKIP, State.WARN, State.FAIL)
    return max((one.state for one in found), key=order.index, default=State.OK)


def clock(facts: Facts) -> Finding:
    if facts.server_time is None:
        return Finding("clock", State.SKIP, "the API server's reply has no date")
    apart = abs((facts.now - facts.server_time).total_seconds())
    told = f"this machine and the API server are {apart:.0f} s apart"
    if apart > SKEW_BAD:
        return Finding("clock", State.FAIL, told, "set the clock by NTP: leases, tokens and certificates depend on it")
    return Finding("clock", State.WARN if apart > SKEW_TOLD else State.OK, told)


# -- CRDs -------------------------------------------------------------------------------------------------------------


def crds(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.crds, Unseen):
        yield Finding("CRDs", State.SKIP, facts.crds.why)
        return
    present = {one["metadata"]["name"]: one for one in facts.crds}
    wanted = {
        f"{kind.resource.plural}.{kind.resource.group}": kind.resource.version
        for kind in KINDS
        if kind.resource.group != EXTENSIONS_GROUP  # what is ours alone is optional
    }
    missing = sorted(wanted.keys() - present.keys())
    unserved = sorted(
        name for name, version in wanted.items() if name in present and version not in served(present[name])
    )
    install = "kubectl apply --server-side -k manifests (or -f manifests/crds)"
    if missing:
        yield Finding("CRDs", State.FAIL, f"not installed: {listed(missing)}", install)
    if unserved:
        yield Finding("CRDs", State.FAIL, f"the version in use is not served: {listed(unserved)}", install)
    if not missing and not unserved:
        yield Finding("CRDs", State.OK, f"{len(wanted)} kinds are served")
    for name in sorted(wanted.keys() & present.keys()):
        old = [v for v in present[name].get("status", {}).get("storedVersions", ()) if v != wanted[name]]
        if old:
            yield Finding(
                "CRDs",
                State.WARN,
                f"{name} may still hold objects stored as {', '.join(old)}",
                "write each object once (kubectl get -A -o json | kubectl replace -f -), then take the version out of"
                " status.storedVersions",
            )
        if isinstance(conversion := present[name]["spec"].get("conversion", {}).get("webhook"), dict):
            where = service_name(conversion.get("clientConfig", {}))
            if where and isinstance(facts.slices, list) and where not in serving(facts):
                yield Finding(
                    "CRDs",
                    State.FAIL,
                    f"{name} is converted by {where}, which has no ready endpoint",
                    "apply our CRDs, which need no conversion, or start that webhook",
                )


def served(crd: Json) -> set[str]:
    return {version["name"] for version in crd["spec"]["versions"] if version.get("served")}


# -- who reconciles ---------------------------------------------------------------------------------------------------


def controllers(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.deployments, Unseen):
        yield Finding("controller", State.SKIP, facts.deployments.why)
        return
    running = [one for one in facts.deployments if one["spec"].get("replicas", 1) > 0]
    if not running:
        yield Finding(
            "controller",
            State.FAIL,
            "no Deployment with app.kubernetes.io/name=external-secrets runs",
            "kubectl apply --server-side -k manifests, or scale it up",
        )
    scopes = defaultdict[tuple[str, str], list[str]](list)
    for one in running:
        name, ready_pods = named(one), one.get("status", {}).get("readyReplicas", 0)
        image = container(one).get("image", "?")
        if ready_pods:
            yield Finding("controller", State.OK, f"{name} is ready ({image})")
        else:
            yield Finding(
                "controller",
                State.FAIL,
                f"{name} has no ready pod ({image})",
                f"kubectl -n {one['metadata']['namespace']} logs deploy/{one['metadata']['name']}",
            )
        scopes[flag(one, "namespace"), flag(one, "controller-class") or "default"].append(name)
    for names, where, classes in meeting(scopes):
        same = len(classes) == 1
        told = f"{listed(names)} reconcile the same objects ({where}, class {listed(classes)})"
        if not same and (unnamed := unclassed(facts)):
            told = f"{listed(names)} reconcile the stores that name no spec.controller ({where}): {listed(unnamed)}"
        elif not same:
            continue
        yield Finding(
            "controller",
            State.FAIL if same else State.WARN,
            told,
            "scale one of them to 0, or give them a --controller-class or --namespace each"
            if same
            else "name the class of each store in spec.controller",
        )


def meeting(scopes: Mapping[tuple[str, str], list[str]]) -> Iterator[tuple[list[str], str, list[str]]]:
    """Controllers that work in one namespace: their names, where it is, their classes. One for all namespaces meets
    each other one."""
    for (namespace, class_), names in scopes.items():
        if len(names) > 1:
            yield names, place(namespace), [class_]
    for ((here, one), ours), ((there, other), theirs) in combinations(scopes.items(), 2):
        if here == there or not (here and there):
            yield [*ours, *theirs], place(here or there), list(dict.fromkeys((one, other)))


def place(namespace: str) -> str:
    return f"namespace {namespace}" if namespace else "all namespaces"


def unclassed(facts: Facts) -> list[str]:
    """Stores without spec.controller belong to every controller."""
    stores = (facts.objects.get(kind) for kind in ("SecretStore", "ClusterSecretStore"))
    return sorted(
        named(one)
        for items in stores
        if isinstance(items, list)
        for one in items
        if not one.get("spec", {}).get("controller")
    )


def rights(facts: Facts) -> Iterator[Finding]:
    for name, refused in facts.refused.items():
        match refused:
            case Unseen(why):
                yield Finding("rights", State.SKIP, why)
            case []:
                yield Finding("rights", State.OK, f"the account of {name} has what its flags need")
            case _:
                yield Finding(
                    "rights",
                    State.FAIL,
                    f"the account of {name} may not {listed(refused)}",
                    "apply manifests/rbac.yaml",
                )


def tokens(facts: Facts) -> Iterator[Finding]:
    """An account that may request every token, and that no admission policy confines."""
    for one in facts.deployments if isinstance(facts.deployments, list) else ():
        if named(one) not in facts.mints:
            continue
        user = user_of(one)
        if isinstance(facts.policies, Unseen) or isinstance(facts.bindings, Unseen):
            why = facts.policies if isinstance(facts.policies, Unseen) else facts.bindings
            yield Finding("tokens", State.SKIP, why.why if isinstance(why, Unseen) else "")
        elif not any(confines(policy, user, facts.bindings) for policy in facts.policies):
            yield Finding(
                "tokens",
                State.WARN,
                f"{user} may request tokens of every ServiceAccount, and no admission policy confines it",
                "install manifests/policies/token-requests with this account's name, or take the right away",
            )


def confines(policy: Json, user: str, bindings: Sequence[Json]) -> bool:
    """Whether a ValidatingAdmissionPolicy on token requests binds this user, and is in force."""
    spec = policy.get("spec") or {}
    rules = (spec.get("matchConstraints") or {}).get("resourceRules") or ()
    conditions = [str(each.get("expression")) for each in spec.get("matchConditions") or ()]
    bound = [each.get("spec") or {} for each in bindings]
    return (
        any("serviceaccounts/token" in (rule.get("resources") or ()) for rule in rules)
        and (not conditions or any(f'"{user}"' in each for each in conditions))
        and any(
            each.get("policyName") == policy["metadata"]["name"] and "Deny" in (each.get("validationActions") or ())
            for each in bound
        )
    )


def user_of(deployment: Json) -> str:
    """As whom its pods ask the API server."""
    pod = deployment["spec"]["template"]["spec"]
    account = pod.get("serviceAccountName") or "default"
    return f"system:serviceaccount:{deployment['metadata']['namespace']}:{account}"


def leaders(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.leases, Unseen):
        yield Finding("leader", State.SKIP, facts.leases.why)
        return
    electing = elections(facts)
    for name in sorted((electing or set()) - {named(lease) for lease in facts.leases}):
        yield Finding("leader", State.WARN, f"nobody made the Lease {name}", "look at the log of its controller")
    for lease in facts.leases:
        name, spec = named(lease), lease.get("spec", {})
        holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
        if electing is not None and name not in electing:
            yield Finding(
                "leader",
                State.WARN,
                f"the Lease {name} is there and no running controller elects by it",
                "delete it if its controller is gone for good",
            )
            continue
        if not holder or not renewed:
            yield Finding("leader", State.WARN, f"nobody holds the Lease {name}", "look whether a controller runs")
            continue
        now = facts.server_time or facts.now
        age = (now - datetime.fromisoformat(renewed)).total_seconds()
        told = f"{holder} leads by the Lease {name}, renewed {max(age, 0):.0f} s ago"
        alive = age <= 2 * spec.get("leaseDurationSeconds", 15)
        yield Finding(
            "leader",
            State.OK if alive else State.FAIL,
            told,
            "" if alive else "no controller leads: look at its pods and at its rights on leases",
        )


def elections(facts: Facts) -> set[str] | None:
    """ "namespace/name" of the Leases that running controllers elect by; None where controllers could not be seen."""
    if isinstance(facts.deployments, Unseen):
        return None
    return {
        f"{one['metadata']['namespace']}/{flag(one, 'leader-election-id') or LEASE}"
        for one in facts.deployments
        if one["spec"].get("replicas", 1) > 0 and flag(one, "enable-leader-election", "true") in TRUE
    }


# -- the admission webhook --------------------------------------------------------------------------------------------


def webhooks(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.webhooks, Unseen):
        yield Finding("webhook", State.SKIP, facts.webhooks.why)
        return
    hooks = [
        (configuration["metadata"]["name"], hook)
        for configuration in facts.webhooks
        for hook in configuration.get("webhooks", ())
        if any(group.endswith(GROUP) for rule in hook.get("rules", ()) for group in rule.get("apiGroups", ()))
    ]
    if not hooks:
        yield Finding("webhook", State.OK, "none is configured: mistakes are told in conditions and Events only")
    for configuration, hook in hooks:
        yield from webhook(facts, configuration, hook)


def webhook(facts: Facts, configuration: str, hook: Json) -> Iterator[Finding]:
    what, config = f"{configuration}: {hook['name']}", hook.get("clientConfig", {})
    where = service_name(config)
    blocks = hook.get("failurePolicy", "Fail") == "Fail"
    if where and isinstance(facts.slices, list) and where not in serving(facts):
        yield Finding(
            "webhook",
            State.FAIL if blocks else State.WARN,
            f"{what} goes to {where}, which has no ready endpoint"
            + (": nothing of its kinds can be written" if blocks else ""),
            "start `eso webhook`, or delete the configuration",
        )
        return
    if not where and not config.get("caBundle"):
        yield Finding("webhook", State.OK, f"{what} is asked by a URL, with the API server's own authorities")
        return
    authorities = certificates(b64decode(config.get("caBundle", "")))
    if not authorities:
        yield Finding("webhook", State.FAIL, f"{what} has no CA bundle", "start `eso certcontroller`, or cert-manager")
        return
    now = facts.now
    ends = max(one.not_valid_after_utc for one in authorities)
    told = f"{what} trusts a CA that ends {ends:%Y-%m-%d}"
    if ends <= now:
        yield Finding("webhook", State.FAIL, told, "look at the log of `eso certcontroller`")
        return
    if where not in facts.certificates:
        yield Finding("webhook", State.OK, told)
        return
    leaf = next(iter(certificates(facts.certificates[where])), None)
    if leaf is None or not any(issued(leaf, authority) for authority in authorities):
        yield Finding(
            "webhook",
            State.FAIL,
            f"{what}: the certificate of {where} is not signed by the CA bundle",
            "delete the Secret of the webhook: `eso certcontroller` makes it anew",
        )
    elif leaf.not_valid_after_utc - now <= SOON:
        state = State.FAIL if leaf.not_valid_after_utc <= now else State.WARN
        yield Finding(
            "webhook",
            state,
            f"{what}: the certificate of {where} ends {leaf.not_valid_after_utc:%Y-%m-%d}",
            "look at the log of `eso certcontroller`",
        )
    else:
        yield Finding(
            "webhook", State.OK, f"{what} is served with a certificate until {leaf.not_valid_after_utc:%Y-%m-%d}"
        )


def issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def service_name(config: Json) -> str:
    """ "namespace/name" of a client configuration's Service, "" for a URL."""
    service = config.get("service")
    return f"{service['namespace']}/{service['name']}" if service else ""


def serving(facts: Facts) -> set[str]:
    """ "namespace/name" of the Services with a ready endpoint."""
    if isinstance(facts.slices, Unseen):
        return set()
    return {
        f"{one['metadata']['namespace']}/{one['metadata'].get('labels', {}).get('kubernetes.io/service-name', '')}"
        for one in facts.slices
        if any(endpoint.get("conditions", {}).get("ready", True) for endpoint in one.get("endpoints") or ())
    }


# -- objects ----------------------------------------------------------------------------------------------------------


def ready(kind: str, items: list[Json] | Unseen) -> Iterator[Finding]:
    if isinstance(items, Unseen):
        yield Finding(kind, State.SKIP, items.why)
        return
    states = {named(one): condition(one) for one in items}
    failed = sorted(name for name, status in states.items() if status == "False")
    waiting = sorted(name for name, status in states.items() if status == "")
    if failed:
        yield Finding(
            kind,
            State.WARN,
            f"{len(failed)} of {len(items)} are not ready: {listed(failed)}",
            f"kubectl describe {kind.lower()} NAME",
        )
    if waiting:
        yield Finding(
            kind,
            State.WARN,
            f"{len(waiting)} of {len(items)} have no condition yet: {listed(waiting)}",
            "no controller has looked at them: see the checks above, spec.controller and --controller-class",
        )
    if not failed and not waiting:
        yield Finding(kind, State.OK, f"{len(items)} ready" if items else "there are none")


def condition(obj: Json) -> str:
    """The status of Ready, "" without one."""
    conditions = obj.get("status", {}).get("conditions") or ()
    return next((str(one.get("status", "")) for one in conditions if one.get("type") == "Ready"), "")


def named(obj: Json) -> str:
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def container(deployment: Json) -> Json:
    found: Json = (deployment["spec"]["template"]["spec"].get("containers") or [{}])[0]
    return found


def flag(deployment: Json, name: str, alone: str = "") -> str:
    """The value of a flag on the container's command line, "" when it is not given. `alone`: the value of a switch
    without one; the word behind it is none of it."""
    words = [*(container(deployment).get("command") or ()), *(container(deployment).get("args") or ())]
    for place, word in enumerate(words):
        key, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and key == name:
            return value if equals else alone or next(iter(words[place + 1 : place + 2]), "")
    return ""


def listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
