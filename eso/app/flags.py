"""argv → one frozen Settings; every flag, default and unit in one table.

Neighbours: main.py chooses the subcommand, wiring.py reads the Settings. Nothing else reads argv.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eso.errors import EsoError
from eso.gocompat.duration import DurationError, parse_duration


class UsageError(EsoError):
    """The arguments are off: exit code 2."""


@dataclass(frozen=True, slots=True)
class Flag:
    """`kind`: string, bool, int, float, duration (seconds), list. `effect` False: parsed for compatibility and told
    once."""

    name: str
    kind: str
    default: Any
    help: str
    effect: bool = True


COMMON = (
    Flag("metrics-addr", "string", ":8080", "bind address of /metrics; 0 disables"),
    Flag("metrics-secure", "bool", False, "serve metrics over HTTPS", False),
    Flag("metrics-auth", "bool", False, "require a Kubernetes bearer token for metrics", False),
    Flag("metrics-cert-dir", "string", "", "directory of the metrics certificate", False),
    Flag("metrics-cert-name", "string", "tls.crt", "file name of the metrics certificate", False),
    Flag("metrics-key-name", "string", "tls.key", "file name of the metrics key", False),
    Flag("enable-http2", "bool", False, "allow HTTP/2 on metrics and webhook servers", False),
    Flag("loglevel", "string", "info", "debug, info, warn, error, dpanic, panic or fatal"),
    Flag("zap-time-encoding", "string", "epoch", "epoch, millis, nano, iso8601, rfc3339 or rfc3339nano"),
)

CONTROLLER = (
    *COMMON,
    Flag("live-addr", "string", ":8082", "bind address of /healthz and /readyz"),
    Flag("controller-class", "string", "default", "stores of another spec.controller are ignored"),
    Flag("enable-leader-election", "bool", False, "only the holder of the Lease reconciles"),
    Flag("leader-election-id", "string", "external-secrets-controller", "name of the Lease"),
    Flag("leader-election-namespace", "string", "", "namespace of the Lease; default: the pod's"),
    Flag("leader-election-lease-duration", "duration", 15.0, "how long a Lease is valid"),
    Flag(
        "leader-election-renew-deadline", "duration", 10.0, "give up the lead when it could not be renewed for so long"
    ),
    Flag("leader-election-retry-period", "duration", 2.0, "between attempts to get or renew the Lease"),
    Flag("concurrent", "int", 1, "accepted; passes in flight are bounded by --passes-in-flight", False),
    Flag("passes-in-flight", "int", 256, "passes that may run at the same time, per controller"),
    Flag("client-qps", "float", 50.0, "accepted; the API server's own flow control is obeyed instead", False),
    Flag("client-burst", "int", 100, "accepted; see --client-qps", False),
    Flag("namespace", "string", "", "restrict all watches to one namespace"),
    Flag("enable-secret-store-reconciler", "bool", True, "validate SecretStores"),
    Flag("enable-cluster-store-reconciler", "bool", True, "validate ClusterSecretStores and serve what refers to them"),
    Flag("enable-cluster-external-secret-reconciler", "bool", True, "serve ClusterExternalSecrets", False),
    Flag("enable-push-secret-reconciler", "bool", True, "serve PushSecrets", False),
    Flag("enable-cluster-push-secret-reconciler", "bool", True, "serve ClusterPushSecrets", False),
    Flag("enable-secrets-caching", "bool", False, "accepted; Secrets are watched as metadata", False),
    Flag("enable-configmaps-caching", "bool", False, "accepted; ConfigMaps are watched as metadata", False),
    Flag("enable-managed-secrets-caching", "bool", True, "accepted; see --enable-secrets-caching", False),
    Flag(
        "enable-secret-api-read-on-cache-mismatch",
        "bool",
        True,
        "accepted; one cache cannot disagree with itself",
        False,
    ),
    Flag("store-requeue-interval", "duration", 300.0, "re-validation period of stores without spec.refreshInterval"),
    Flag("status-heartbeat", "duration", 300.0, "how often an unchanged refresh writes refreshTime; 0: every time"),
    Flag("enable-flood-gate", "bool", True, "refuse stores whose Ready condition is not True"),
    Flag("enable-generator-state", "bool", True, "keep GeneratorState objects", False),
    Flag("enable-extended-metric-labels", "bool", False, "add the six app_kubernetes_io_* labels", False),
    Flag("unsafe-allow-generic-targets", "bool", False, "permit targets other than Secret", False),
    Flag("generator-gc-grace-period", "duration", 120.0, "delay before superseded generator state is cleaned", False),
    Flag("template-left-delimiter", "string", "{{", "opens a template action"),
    Flag("template-right-delimiter", "string", "}}", "closes a template action"),
    Flag("enable-vault-token-cache", "bool", False, "accepted; logins are always shared per identity", False),
    Flag("vault-token-cache-size", "int", 262144, "accepted; see --enable-vault-token-cache", False),
    Flag("experimental-enable-vault-token-cache", "bool", False, "accepted; see --enable-vault-token-cache", False),
    Flag("experimental-vault-token-cache-size", "int", 262144, "accepted; see --enable-vault-token-cache", False),
    Flag("experimental-enable-doppler-oidc-cache", "bool", False, "accepted", False),
    Flag("experimental-doppler-oidc-cache-size", "int", 262144, "accepted", False),
    Flag("experimental-enable-aws-session-cache", "bool", False, "accepted; sessions are always shared", False),
    Flag("pulumi-oidc-cache-size", "int", 262144, "accepted", False),
    Flag("doppler-etag-cache-size", "int", 16384, "accepted", False),
    Flag("mysterybox-tokens-cache-size", "int", 4096, "accepted", False),
    Flag("mysterybox-connections-cache-size", "int", 128, "accepted", False),
)

LEVELS = ("debug", "info", "warn", "error", "dpanic", "panic", "fatal")
TRUE, FALSE = {"1", "t", "T", "true", "TRUE", "True"}, {"0", "f", "F", "false", "FALSE", "False"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Values by flag name; `given` are the flags that stood on the command line."""

    values: dict[str, Any]
    given: frozenset[str] = field(default=frozenset())

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def without_effect(self) -> list[str]:
        """Flags that were given and do nothing here: each is logged once."""
        return [f"--{flag.name}: {flag.help}" for flag in CONTROLLER if flag.name in self.given and not flag.effect]


def parse(argv: Sequence[str], flags: Sequence[Flag] = CONTROLLER) -> Settings:
    """GNU long flags only: `--name=value`, `--name value`, booleans `--name` or `--name=false`. Raises UsageError."""
    known = {flag.name: flag for flag in flags}
    values = {flag.name: flag.default for flag in flags}
    given: set[str] = set()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if not (match := re.fullmatch(r"--([a-z0-9-]+)(?:=(.*))?", word, re.DOTALL)) or match[1] not in known:
            raise UsageError(f"unknown flag or argument: {word.split('=')[0]}", fix="see eso controller --help")
        flag, text = known[match[1]], match[2]
        if text is None:
            if flag.kind == "bool":
                text = "true"
            elif not rest:
                raise UsageError(
                    f"--{flag.name} needs a value of kind {flag.kind}", fix=f"--{flag.name}={flag.default}"
                )
            else:
                text = rest.pop(0)
        values[flag.name] = convert(flag, text)
        given.add(flag.name)
    check(values)
    return Settings(values, frozenset(given))


def convert(flag: Flag, text: str) -> Any:
    try:
        match flag.kind:
            case "bool":
                if text not in TRUE | FALSE:
                    raise ValueError("use true or false")
                return text in TRUE
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "duration":
                return parse_duration(text)
            case "list":
                return [part for part in text.split(",") if part]
    except (ValueError, DurationError) as error:
        raise UsageError(
            f"--{flag.name}: {text!r} is no {flag.kind}: {error}", fix=f"for example --{flag.name}={flag.default}"
        ) from None
    return text


def check(values: dict[str, Any]) -> None:
    if values["loglevel"] not in LEVELS:
        raise UsageError(f"--loglevel: {values['loglevel']!r} is no level", fix="one of " + ", ".join(LEVELS))
    if values.get("metrics-auth") and not values.get("metrics-secure"):
        raise UsageError("--metrics-auth needs --metrics-secure", fix="give both or neither")
    if (
        values.get("enable-leader-election")
        and values["leader-election-renew-deadline"] >= values["leader-election-lease-duration"]
    ):
        raise UsageError(
            "--leader-election-renew-deadline must be shorter than --leader-election-lease-duration",
            fix="for example 10s and 15s",
        )


def usage(flags: Sequence[Flag] = CONTROLLER) -> str:
    lines = [f"  --{f.name:<44} {f.help} (default {f.default})" for f in flags]
    return "\n".join(lines)
