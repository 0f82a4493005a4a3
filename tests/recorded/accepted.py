"""The differences from the recordings that are on purpose, each with its row in docs/compatibility.md.

Neighbours: differences.py says what an entry means. An entry for one case that nothing matches any more fails that
case.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.recorded.case import NAMES, Case, Json
from tests.recorded.differences import (
    ABSENT,
    Accepted,
    Difference,
    any_of,
    appears,
    changes,
    compare,
    hinted,
    is_missing,
    reworded,
    same_time,
    without,
)

ANYWHERE = r"(?:otherNamespaces/[^/]+/)?"
FAILED = rf"{ANYWHERE}Events/ExternalSecret/\S+ Warning UpdateFailed"
TOLD = rf"{ANYWHERE}Events/\S+ Warning (?:UpdateFailed|Errored|InvalidProviderConfig|CleanUpFailed)"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

PUSH = rf"{ANYWHERE}Events/PushSecret/\S+"
REMOTE = r"otherNamespaces/[^/]+"
CES = tuple(name for name in NAMES if name.startswith("rc-ces-"))

EVERYWHERE = (
    Accepted(
        "`observedGeneration` on an ExternalSecret's status",
        rf"{ANYWHERE}(?:ExternalSecret|(?:Cluster)?SecretStore)/[^/]+/status/(?:conditions/\d+/)?observedGeneration",
        appears,
    ),
    Accepted(
        "finalizer on an ExternalSecret",
        rf"{ANYWHERE}ExternalSecret/[^/]+/metadata/finalizers",
        without("externalsecrets.external-secrets.io/externalsecret-cleanup"),
    ),
    Accepted("Warning Events", TOLD, hinted),
    Accepted(
        "GeneratorStates",
        rf"{ANYWHERE}GeneratorState/[^/]+/metadata/annotations/extensions.external-secrets.io/made-at",
        appears,
    ),
)

BY_CASE: tuple[Accepted, ...] = (
    # generic targets
    Accepted(
        "field manager of generic targets",
        r"(?:ConfigMap|Widget)/[^/]+/metadata/managedFields/externalsecrets.external-secrets.io/[^/]+",
        appears,
        cases=(
            "rc-generic-cm",
            "rc-generic-cm-template",
            "rc-generic-crd-merge",
            "rc-generic-deletion-merge",
            "rc-generic-errors",
            "rc-generic-policies",
        ),
    ),
    Accepted(
        "generic target, policies Owner and Orphan",
        r"ConfigMap/(?:owner|orphan)/metadata/labels/their",
        appears,
        cases=("rc-generic-policies",),
    ),
    Accepted(
        "generic target that our own write emptied",
        r"ConfigMap/es/data/a",
        changes(ABSENT, "v2"),
        cases=("rc-generic-deletion-merge",),
        steps=(3,),
    ),
    Accepted(
        "generic target that our own write emptied",
        r"ConfigMap/es/metadata/annotations/reconcile.external-secrets.io/data-hash",
        changes(
            "74a974446e359fb3e6baff9bd0058950e6edd0f040888d9989b0a11b",
            "7eefa510a88e4673ed5012a6afbab7b5000c4e77113cde69ca3c95e3",
        ),
        cases=("rc-generic-deletion-merge",),
        steps=(3,),
    ),
    # Secrets
    Accepted(
        "immutable Secret whose metadata alone changes",
        r"Events/ExternalSecret/es Normal Updated",
        appears,
        cases=("rc-immutable-external",),
        steps=(3, 4, 5),
    ),
    Accepted(
        "immutable Secret whose data and metadata would change",
        r"Secret/es/metadata/annotations/reconcile.external-secrets.io/data-hash",
        changes(
            "7d9fc5a31a8967856fb1726bc9953763ede1ea890dc5c435a19003fb",
            "649bc97013179dc509344f9a162dd4e70ee42dcc85f1cfb8e9e97e56",
        ),
        cases=("rc-immutable-external",),
        steps=(4,),
    ),
    Accepted(
        "immutable Secret whose data and metadata would change",
        r"Secret/es/metadata/annotations/reconcile.external-secrets.io/data-hash",
        changes(
            "faf8dd936b6cbe5a0e856c85b7e5309cc5bb6dff0653ea6c29f2e3b6",
            "649bc97013179dc509344f9a162dd4e70ee42dcc85f1cfb8e9e97e56",
        ),
        cases=("rc-immutable-later",),
        steps=(3,),
    ),
    Accepted(
        "rename onto a target that is refused",
        r"Secret/theirs/.*",
        appears,
        cases=("rc-rename-onto-foreign",),
        steps=(3,),
    ),
    Accepted(
        "`kubectl.kubernetes.io/last-applied-configuration` and our suspend annotation",
        rf"Secret/es/metadata/annotations/{LAST_APPLIED}",
        changes("{}", ABSENT),
        cases=("rc-metadata",),
        steps=(1, 2, 3),
    ),
    Accepted(
        "`kubectl.kubernetes.io/last-applied-configuration` and our suspend annotation",
        r"Secret/es/metadata/managedFields/externalsecrets.external-secrets.io/es",
        without(f"/f:metadata/f:annotations/f:{LAST_APPLIED}"),
        cases=("rc-metadata",),
        steps=(1, 2, 3),
    ),
    Accepted(
        "two Orphan ExternalSecrets on one Secret; keys that become equal in a rewrite",
        r"Events/ExternalSecret/extract Warning KeysLost",
        appears,
        cases=("rc-empty-values",),
        steps=(1,),
    ),
    # ClusterExternalSecrets
    Accepted(
        "ClusterExternalSecret: finalizers on itself and on namespaces",
        r"ClusterExternalSecret/[^/]+/metadata/finalizers",
        changes(["externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"], ABSENT),
        cases=CES,
    ),
    Accepted(
        "ClusterExternalSecret: finalizers on itself and on namespaces",
        r"Namespace/[^/]+/metadata/finalizers",
        is_missing,
        cases=CES,
    ),
    Accepted(
        "durations in the children of a ClusterExternalSecret",
        rf"{ANYWHERE}ExternalSecret/[^/]+/spec/refreshInterval",
        same_time,
        cases=CES,
    ),
    Accepted(
        "ClusterExternalSecret whose child is not Ready",
        r"ClusterExternalSecret/r-rc-ces-invalid-(?:fails|notarget)/status/(?:conditions/0/(?:message|status)|failedNamespaces/0/.*)",
        any_of(
            appears,
            changes("True", "False"),
        ),
        cases=("rc-ces-invalid",),
    ),
    Accepted(
        "`namespaceSelector` with an operator that is none",
        r"ClusterExternalSecret/r-rc-ces-invalid-sel/status/failedNamespaces/0/reason",
        reworded(r"failed to convert label selector &LabelSelector\{.*\}: ", ""),
        cases=("rc-ces-invalid",),
    ),
    # PushSecrets
    Accepted(
        "one of several stores fails",
        rf"{PUSH} Warning Errored",
        reworded(r"\Z", r" \[(?:written: [^\]]+; )?not written: [^\]]+\]"),
        cases=("rp-push-datato-per-key-kubernetes", "rp-push-one-store-fails"),
    ),
    Accepted(
        "Event of a missing source",
        rf"{PUSH} Warning Errored",
        reworded(r"\Z", r" \(.+\)"),
        cases=("rp-push-selector-zero", "rp-push-source-deleted-none", "rp-push-source-missing"),
    ),
    Accepted(
        "deletion",
        rf"{REMOTE}/Secret/(?:dest|there)/.*",
        any_of(appears, is_missing),
        cases=("rp-push-metadata-namespace", "rp-push-two-owners", "rp-push-if-not-exists-delete"),
        steps=(2, 3),
    ),
    Accepted(
        "`IfNotExists`, entry that was there before",
        r"PushSecret/push/status/syncedPushSecrets/SecretStore/remote/there/metadata/extensions.external-secrets.io/found",
        changes(ABSENT, "true"),
        cases=("rp-push-if-not-exists-delete",),
    ),
    Accepted(
        "our finalizer",
        r"PushSecret/push/(?:metadata/generation|spec/refreshInterval|status/syncedResourceVersion)",
        any_of(changes(2, 1), changes("1h0m0s", "60m"), reworded(r"\A2-", "1-")),
        cases=("rp-push-interval-spelling",),
    ),
    Accepted(
        "source Secret, template source or chosen store changed",
        rf"{REMOTE}/Secret/dest/data/user",
        changes("bob", "alice"),
        cases=("rp-push-not-watched",),
        steps=(2,),
    ),
    Accepted(
        "a PushSecret that is being deleted without our finalizer",
        rf"PushSecret/push/status/syncedResourceVersion|{REMOTE}/Secret/dest/data/user",
        any_of(reworded(r"\A2-", "1-"), changes("alice", "bob")),
        cases=("rp-push-terminating",),
    ),
    Accepted(
        "a template that fails |",
        rf"PushSecret/push/status/conditions/0/.*|{PUSH} Warning Errored",
        appears,
        cases=("rp-push-template-broken",),
        steps=(1, 2),
    ),
    Accepted(
        "values that the API server quotes when it refuses a write",
        rf"PushSecret/other/status/conditions/0/message|{PUSH} Warning Errored",
        reworded(
            r"""Invalid value: ".*?"(?:: invalid character '.')?""",
            r"Invalid value: \*\*\*(?:: invalid character '\*\*\*')?",
        ),
        cases=("rp-push-type",),
    ),
    Accepted(
        "a namespace that is being deleted",
        r"otherNamespaces/r-rp-push-namespace-deleted-(?:a/(?:PushSecret/push|SecretStore/remote)|remote/Secret/dest)/.*",
        is_missing,
        cases=("rp-push-namespace-deleted",),
        steps=(2,),
    ),
    # the provider kubernetes
    Accepted(
        "store of the provider `kubernetes` whose server cannot be asked",
        r"SecretStore/(?:none|wrong|closed|path)/status/conditions/0/(?:message|reason|status)",
        any_of(
            changes("could not determine validation status", "unable to validate store"),
            changes("ValidationUnknown", "InvalidProviderConfig"),
            changes("True", "False"),
        ),
        cases=("rp-k8s-ca", "rp-k8s-server-url"),
    ),
    Accepted(
        "store of the provider `kubernetes` whose server cannot be asked",
        r"Events/SecretStore/(?:none|wrong|closed|path) Warning (?:ValidationUnknown|InvalidProviderConfig)",
        any_of(appears, is_missing),
        cases=("rp-k8s-ca", "rp-k8s-server-url"),
    ),
    Accepted(
        "store of the provider `kubernetes` whose server cannot be asked",
        r"Events/ExternalSecret/path Warning UpdateFailed",
        reworded(r"forbidden: User .*", 'SecretStore "path" is not ready'),
        cases=("rp-k8s-server-url",),
    ),
    Accepted(
        "`kubernetes`: a search by nothing",
        r"Events/ExternalSecret/nothing Warning UpdateFailed",
        reworded(r"v1\.ExternalSecretFind\{.*\}", "neither name nor tags"),
        cases=("rp-k8s-find",),
    ),
    # webhooks
    Accepted(
        "`webhook`: values of Secrets behind the `?` of a URL",
        r"http/(?:GET|PUT|POST) /echo\?u=.*",
        any_of(appears, is_missing),
        cases=("rp-wh-cluster-store", "rp-wh-secrets", "rp-gen-webhook"),
    ),
    Accepted(
        "`webhook`: values of Secrets behind the `?` of a URL",
        r"Secret/(?:with|good|tpl)/(?:data/(?:x|query)|metadata/annotations/reconcile.external-secrets.io/data-hash)",
        any_of(
            reworded(r"u=bob\+b%20c", r"u=bob%2Bb%2520c"),
            changes("u=b+b&c&p=p/w", "u=b%2Bb%26c&p=p/w"),
            changes(
                "b983077d69294d4a77f0d4aa68c2ab81f2f79f450a3ac0c0bf18a205",
                "8c84a06691b431e002693c236750899b26b4fa5be2fe8477ad7f1116",
            ),
            changes(
                "3c387ee7cfe3afeacfb6a83855bd6c7532ce0644fbc89eff66eb2887",
                "b008746393389db094f70bb4b154625156bb6ec456a2e9473a71dc4d",
            ),
            changes(
                "8bec4391cb0b7dbc5ab6576c20b68b8c3bcc817883bf2e47f9fd8472",
                "cab7076e66f7b0e29170e33f186d9b85af04c218f04405b154a1fe88",
            ),
        ),
        cases=("rp-wh-cluster-store", "rp-wh-secrets", "rp-gen-webhook"),
    ),
    Accepted(
        "`webhook`: deletion",
        r"http/DELETE /own/a-b/0/headers/x-(?:auth|key)",
        reworded("<no value>", "p/w x"),
        cases=("rp-wh-push",),
    ),
    Accepted(
        "`webhook`: push without a body",
        r"PushSecret/dash/status/.*|Events/PushSecret/dash .*",
        any_of(
            appears,
            is_missing,
            reworded("set secret failed: .*", "PushSecret synced successfully"),
            changes("Errored", "Synced"),
            changes("False", "True"),
        ),
        cases=("rp-wh-push-errors",),
    ),
    Accepted(
        "`IfNotExists`, entry that was there before",
        r"PushSecret/there/status/syncedPushSecrets/SecretStore/there/k/metadata/extensions.external-secrets.io/found",
        changes(ABSENT, "true"),
        cases=("rp-wh-push-if-not-exists",),
    ),
    Accepted(
        "`webhook`: redirects",
        r"http/GET /(?:c200|obj)/\d/(?:headers(?:/referer)?|body)",
        any_of(appears, is_missing),
        cases=("rp-wh-status", "rp-gen-webhook-errors"),
    ),
    Accepted(
        "`webhook`: `method` in lower case",
        r"(?:ExternalSecret|Secret)/lower/.*|http/(?:post|POST) /echo/.*|Events/ExternalSecret/lower .*",
        any_of(
            appears,
            is_missing,
            changes("", "lower"),
            changes("could not get secret data from provider", "secret synced"),
            changes("SecretSyncedError", "SecretSynced"),
            changes("False", "True"),
            changes(None, "<time>"),
        ),
        cases=("rp-wh-method-body",),
    ),
    Accepted(
        "a backend that throttles or is down",
        r"Events/ExternalSecret/c429 Warning UpdateFailed",
        reworded(r"\Aerror processing spec\.data\[0\] \(key: k\), err:", 'SecretStore "c429":'),
        cases=("rp-wh-status",),
    ),
    Accepted(
        "`webhook`: reason phrase of a status; text of a failed call",
        r"Events/ExternalSecret/(?:c600|short|slow|closed) .*|Events/SecretStore/(?:closed|noport) .*",
        any_of(
            reworded(" Odd Thing", ""),
            reworded(
                r'Get "\$\{HTTP\}/slow": context deadline exceeded .*', r"no reply from \$\{HTTP\} within (?:0\.5|1) s"
            ),
            reworded(
                r'(?:Get "http://127.0.0.1:1/x": )?dial tcp 127.0.0.1:(?:1|443): connect',
                r"cannot reach http://127\.0\.0\.1(?::1)?",
            ),
        ),
        cases=("rp-wh-status", "rp-wh-timeout", "rp-wh-store-validation", "rp-gen-webhook-errors"),
    ),
    Accepted(
        "`webhook`: reason phrase of a status; text of a failed call",
        r"Events/SecretStore/(?:empty|word) Warning InvalidProviderConfig",
        reworded("dial tcp :443: connect: connection refused", "the url names no host"),
        cases=("rp-wh-store-validation",),
    ),
    # generators
    Accepted(
        "two Orphan ExternalSecrets on one Secret; keys that become equal in a rewrite",
        r"Events/ExternalSecret/(?:blank|collide) Warning KeysLost",
        appears,
        cases=("rp-gen-rewrite",),
    ),
    Accepted(
        "clean-up of a generator's values that fails",
        r"Events/GeneratorState/\S+ Warning CleanUpFailed",
        appears,
        cases=("rp-gen-state-blocked",),
    ),
    Accepted(
        "Event about a backend that cannot be reached",
        r"Events/ExternalSecret/(?:down|retry) Warning UpdateFailed",
        reworded(
            r'Get "http://127.0.0.1:1/v1/secret/data/x": dial tcp 127.0.0.1:1: connect: connection refused',
            r"cannot reach http://127\.0\.0\.1:1: connection refused",
        ),
        cases=("rp-gen-vault-down",),
    ),
    # texts
    Accepted(
        "values that the API server quotes when it refuses a write",
        FAILED,
        reworded(
            r"""Invalid value: ".*?"(?:: invalid character '.')?""",
            r"Invalid value: \*\*\*(?:: invalid character '\*\*\*')?",
        ),
        cases=("rc-generic-cm-template", "rc-invalid-keys", "rc-template-types"),
    ),
    Accepted(
        "JSON errors in merge and extract",
        FAILED,
        reworded(r"invalid character '.' (in|looking)", r"invalid character at byte \d+ (in|looking)"),
        cases=("rc-extract", "rc-rewrite-merge", "rp-wh-extract", "rp-wh-jsonpath-errors", "rp-gen-webhook-errors"),
    ),
    Accepted(
        "error texts of templates",
        FAILED,
        reworded(r"invalid character '.' looking", r"invalid character at byte \d+ looking"),
        cases=("rc-template-errors",),
        steps=(5, 6, 7),
    ),
    Accepted(
        "`namespaceSelector` with an operator that is none",
        r"Events/ExternalSecret/bad-operator Warning UpdateFailed",
        reworded(r"into selector &LabelSelector\{.*\}:", r"into labels\.Selector:"),
        cases=("rc-css-selectors",),
        steps=(1,),
    ),
    Accepted(
        "`engineVersion: jinja2`",
        r"refused/ExternalSecret/engine",
        reworded(r'supported values: "v2"', r'supported values: "v2", "jinja2"'),
        cases=("rc-schema",),
        steps=(0,),
    ),
)

ACCEPTED = EVERYWHERE + BY_CASE


def unexplained(case: Case, here: Sequence[Json]) -> list[Difference]:
    """Where the snapshots taken so far differ from the recorded ones without an entry that says so."""
    return [one for one in differences(case, here) if not any(entry.explains(case.name, one) for entry in ACCEPTED)]


def unseen(case: Case, here: Sequence[Json]) -> list[Accepted]:
    """The entries of the case that no difference needs."""
    found = differences(case, here)
    mine = (entry for entry in BY_CASE if case.name in entry.cases)
    return [entry for entry in mine if not any(entry.explains(case.name, one) for one in found)]


def differences(case: Case, here: Sequence[Json]) -> list[Difference]:
    return compare(case.recorded[: len(here)], here, case.ignore)


def as_recorded(case: Case, here: Sequence[Json]) -> bool:
    """Whether the case may go on from here, or end: a snapshot that says otherwise may have been taken too soon."""
    return not unexplained(case, here) and (len(here) < len(case.recorded) or not unseen(case, here))
