"""argv → one frozen record of settings per subcommand; every flag, default and unit stands in one table.

A field of a settings class is a flag: `metrics_addr` is `--metrics-addr`. Neighbours: main.py chooses the subcommand,
wiring.py reads the settings. No other module reads argv.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, Final, TypeVar

from eso.api.hosts import NoHost, hosts_of
from eso.errors import EsoError
from eso.gocompat.duration import DurationError, parse_duration

HELP_WIDTH: Final = 120


class UsageError(EsoError):
    """The arguments cannot be used: exit code 2."""


class Group(Enum):
    """The headings of the help, in its order."""

    SCOPE = "What is reconciled"
    PACE = "How much and how often"
    TEMPLATES = "Templates"
    ELECTION = "Leader election"
    WEBHOOK = "Admission webhook"
    CERTIFICATES = "Certificates"
    SERVERS = "Metrics and probes"
    LOG = "Log"
    WITHOUT_EFFECT = "Accepted for compatibility, without effect"


class Kind(Enum):
    """How the text of a flag is read. The value is what messages call it."""

    TEXT = "string"
    SWITCH = "bool"
    NUMBER = "int"
    RATE = "float"
    DURATION = "duration"
    SIZE = "quantity"
    WORDS = "list"


@dataclass(frozen=True, slots=True)
class Flag:
    """One row of the table. `shown` is the default as a person writes it, `value` names what follows the `=` in the
    help, `least` is the smallest number that is accepted. A flag with `effect=False` is read and logged once."""

    name: str
    kind: Kind
    default: Any
    shown: str
    help: str
    group: Group
    value: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    effect: bool = True


T = TypeVar("T")
FLAG: Final = "flag"


def _option(kind: Kind, default: T, shown: str, help: str, group: Group, value: str, **more: Any) -> T:
    row = {
        "kind": kind,
        "default": default,
        "shown": shown,
        "help": help,
        "group": group,
        "value": value,
        "effect": group is not Group.WITHOUT_EFFECT,
        **more,
    }
    return field(default=default, metadata={FLAG: row})


def text(default: str, help: str, group: Group, value: str = "TEXT", choices: tuple[str, ...] = ()) -> str:
    return _option(Kind.TEXT, default, default, help, group, value, choices=choices)


def switch(default: bool, help: str, group: Group) -> bool:
    return _option(Kind.SWITCH, default, str(default).lower(), help, group, "")


def number(default: int, help: str, group: Group, least: int | None = None) -> int:
    return _option(Kind.NUMBER, default, str(default), help, group, "N", least=least)


def rate(default: float, help: str, group: Group) -> float:
    return _option(Kind.RATE, default, f"{default:g}", help, group, "N")


def duration(shown: str, help: str, group: Group, least: float = 0.0) -> float:
    """Seconds. `shown` is the default in the notation of the flag: `1h30m`."""
    return _option(Kind.DURATION, parse_duration(shown), shown, help, group, "DURATION", least=least)


def size(shown: str, help: str, group: Group) -> int:
    """Bytes. `shown` is the default as Kubernetes writes quantities: `512Mi`."""
    return _option(Kind.SIZE, parse_size(shown), shown, help, group, "QUANTITY")


UNITS: Final = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def parse_size(written: str) -> int:
    """Raises ValueError."""
    match = re.fullmatch(r"([0-9]+)(|k|M|G|Ki|Mi|Gi)", written)
    if match is None:
        raise ValueError("write a whole number of bytes, or of k, M, G, Ki, Mi or Gi")
    return int(match[1]) * UNITS[match[2]]


def words(default: tuple[str, ...], help: str, group: Group, value: str) -> tuple[str, ...]:
    """A list. The first use of the flag replaces the default, each further one appends."""
    return _option(Kind.WORDS, default, ",".join(default), help, group, value)


LEVELS: Final = ("debug", "info", "warn", "error", "dpanic", "panic", "fatal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all subcommands have in common. `given` holds the names of the flags that stood on the command line."""

    command: ClassVar[str] = ""
    given: frozenset[str] = field(default=frozenset(), compare=False)

    metrics_addr: str = text(":8080", "bind address of /metrics; 0 disables it", Group.SERVERS, "HOST:PORT")
    metrics_secure: bool = switch(False, "serve metrics over HTTPS", Group.SERVERS)
    metrics_auth: bool = switch(
        False, "answer scrapes only for a Kubernetes token that may get /metrics; needs --metrics-secure", Group.SERVERS
    )
    metrics_cert_dir: str = text(
        "",
        "directory of the metrics certificate, which is read again when it changes; one signed by itself if empty",
        Group.SERVERS,
        "DIRECTORY",
    )
    metrics_cert_name: str = text("tls.crt", "file name of the metrics certificate", Group.SERVERS, "FILE")
    metrics_key_name: str = text("tls.key", "file name of the metrics key", Group.SERVERS, "FILE")
    enable_http2: bool = switch(False, "HTTP/2 is never offered", Group.WITHOUT_EFFECT)
    loglevel: str = text("info", "least level that is logged: " + ", ".join(LEVELS), Group.LOG, "LEVEL", LEVELS)
    zap_time_encoding: str = text(
        "epoch", "time stamps: epoch, millis, nano, iso8601, rfc3339 or rfc3339nano", Group.LOG, "ENCODING"
    )

    def without_effect(self) -> list[str]:
        """Flags that were given and do nothing in this subcommand: each is logged once."""
        told = [
            f"--{flag.name}: {flag.help}" for flag in table(type(self)) if flag.name in self.given and not flag.effect
        ]
        if self.metrics_cert_dir and not self.metrics_secure:
            told.append("--metrics-cert-dir: metrics are served in plain HTTP without --metrics-secure")
        return told

    def check(self) -> None:
        """Refuses values that do not go together. Raises UsageError."""
        if self.metrics_auth and not self.metrics_secure:
            raise UsageError(
                "--metrics-auth needs --metrics-secure: tokens would cross the network in the clear",
                fix="add --metrics-secure=true",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings(Settings):
    """Flags of `eso controller`."""

    command: ClassVar[str] = "controller"

    live_addr: str = text(":8082", "bind address of /healthz and /readyz; 0 disables them", Group.SERVERS, "HOST:PORT")
    change_events_addr: str = text(
        "0", "bind address of change events for ChangeSources; 0 disables them", Group.SERVERS, "HOST:PORT"
    )
    enable_change_sources: bool = switch(
        False, "serve ChangeSources that poll or receive, also without --change-events-addr", Group.SCOPE
    )
    namespace: str = text("", "restrict all watches to one namespace", Group.SCOPE, "NAMESPACE")
    controller_class: str = text(
        "default", "ignore stores of another spec.controller, and what refers to them", Group.SCOPE, "CLASS"
    )
    enable_secret_store_reconciler: bool = switch(True, "validate SecretStores", Group.SCOPE)
    enable_cluster_store_reconciler: bool = switch(
        True, "validate ClusterSecretStores and serve what refers to them", Group.SCOPE
    )
    enable_cluster_external_secret_reconciler: bool = switch(
        True, "serve ClusterExternalSecrets; never with --namespace", Group.SCOPE
    )
    enable_push_secret_reconciler: bool = switch(
        True, "reconcile PushSecrets, and hold the stores that they need", Group.SCOPE
    )
    enable_cluster_push_secret_reconciler: bool = switch(True, "reconcile ClusterPushSecrets", Group.SCOPE)
    unsafe_allow_generic_targets: bool = switch(False, "permit targets other than Secret", Group.SCOPE)
    enable_generator_state: bool = switch(
        True, "remember what the generators of ExternalSecrets left behind, and clean it up", Group.SCOPE
    )
    revoke_vault_leases: bool = switch(
        False, "revoke leases of VaultDynamicSecrets once their values are superseded", Group.SCOPE
    )
    enable_flood_gate: bool = switch(True, "refuse stores whose Ready condition is not True", Group.SCOPE)
    allow_link_local_stores: bool = switch(
        False, "let stores name link-local servers and metadata services of the machine", Group.SCOPE
    )

    store_hosts_allowed: tuple[str, ...] = words(
        (),
        "the only hosts that stores and generators may reach: names, *.names, addresses and networks; all if empty",
        Group.SCOPE,
        "A,B",
    )
    store_hosts_denied: tuple[str, ...] = words(
        (),
        "hosts that stores and generators may not reach, written alike; wins over the other list",
        Group.SCOPE,
        "A,B",
    )
    deny_api_server_stores: bool = switch(
        False, "stores may not name the API server of this cluster (see docs/security.md)", Group.SCOPE
    )

    passes_in_flight: int = number(256, "passes that may run at the same time, per controller", Group.PACE, least=1)
    tenant_label: str = text(
        "", "namespaces with the same value of this label share as one; empty: each for itself", Group.PACE, "LABEL"
    )
    pass_timeout: float = duration(
        "2m", "time that a pass may take before it writes; a PushSecret's, with its writes", Group.PACE, least=1.0
    )
    memory_budget: int = size(
        "0", "memory for all that passes hold at a time; 0: a quarter of the container's limit", Group.PACE
    )
    generator_gc_grace_period: float = duration(
        "2m", "how long values of a generator stay valid once they are superseded", Group.PACE
    )
    store_requeue_interval: float = duration(
        "5m", "validate stores without spec.refreshInterval this often", Group.PACE
    )
    status_heartbeat: float = duration(
        "5m", "an unchanged refresh writes refreshTime at most this often; 0: every time", Group.PACE
    )

    event_trust: int = number(
        1,
        "refresh intervals of immediate objects may grow by this while change events are heard; 1: never",
        Group.PACE,
        least=1,
    )
    read_window: float = duration(
        "50ms", "a periodic read waits this long for others that the backend takes in one call", Group.PACE
    )
    ambient_credentials: str = text(
        "all",
        "stores that may use the operator's own cloud identity: all, cluster (ClusterSecretStores) or none",
        Group.SCOPE,
        "STORES",
        ("all", "cluster", "none"),
    )

    template_left_delimiter: str = text("{{", "opens a template action", Group.TEMPLATES)
    template_right_delimiter: str = text("}}", "closes a template action", Group.TEMPLATES)

    enable_leader_election: bool = switch(False, "only the holder of the Lease reconciles", Group.ELECTION)
    leader_election_id: str = text("external-secrets-controller", "name of the Lease", Group.ELECTION, "NAME")
    leader_election_namespace: str = text(
        "", "namespace of the Lease; the pod's own if empty", Group.ELECTION, "NAMESPACE"
    )
    leader_election_lease_duration: float = duration("15s", "how long a Lease is valid", Group.ELECTION)
    leader_election_renew_deadline: float = duration(
        "10s", "give up the lead after this time without a renewal", Group.ELECTION
    )
    leader_election_retry_period: float = duration(
        "2s", "time between attempts to get or renew the Lease", Group.ELECTION, least=0.001
    )

    enable_extended_metric_labels: bool = switch(False, "add the six app_kubernetes_io_* labels", Group.SERVERS)

    concurrent: int = number(1, "passes are bounded by --passes-in-flight", Group.WITHOUT_EFFECT)
    client_qps: float = rate(50.0, "the API server's own flow control is obeyed instead", Group.WITHOUT_EFFECT)
    client_burst: int = number(100, "see --client-qps", Group.WITHOUT_EFFECT)
    enable_secrets_caching: bool = switch(False, "Secrets are watched as metadata", Group.WITHOUT_EFFECT)
    enable_configmaps_caching: bool = switch(False, "ConfigMaps are watched as metadata", Group.WITHOUT_EFFECT)
    enable_managed_secrets_caching: bool = switch(True, "see --enable-secrets-caching", Group.WITHOUT_EFFECT)
    enable_secret_api_read_on_cache_mismatch: bool = switch(
        True, "there is one cache, it cannot disagree with another", Group.WITHOUT_EFFECT
    )
    enable_vault_token_cache: bool = switch(False, "logins are always shared per identity", Group.WITHOUT_EFFECT)
    vault_token_cache_size: int = number(262144, "see --enable-vault-token-cache", Group.WITHOUT_EFFECT)
    experimental_enable_vault_token_cache: bool = switch(False, "see --enable-vault-token-cache", Group.WITHOUT_EFFECT)
    experimental_vault_token_cache_size: int = number(262144, "see --enable-vault-token-cache", Group.WITHOUT_EFFECT)
    experimental_enable_doppler_oidc_cache: bool = switch(
        False, "logins are always shared per identity", Group.WITHOUT_EFFECT
    )
    experimental_doppler_oidc_cache_size: int = number(
        262144, "see --experimental-enable-doppler-oidc-cache", Group.WITHOUT_EFFECT
    )
    experimental_enable_aws_session_cache: bool = switch(False, "sessions are always shared", Group.WITHOUT_EFFECT)
    pulumi_oidc_cache_size: int = number(262144, "logins are always shared per identity", Group.WITHOUT_EFFECT)
    doppler_etag_cache_size: int = number(16384, "equal reads share one call instead", Group.WITHOUT_EFFECT)
    mysterybox_tokens_cache_size: int = number(4096, "logins are always shared per identity", Group.WITHOUT_EFFECT)
    mysterybox_connections_cache_size: int = number(128, "connections are always shared", Group.WITHOUT_EFFECT)

    def own_ports(self) -> frozenset[int]:
        """Ports on which the process listens."""
        ports = (address.rpartition(":")[2] for address in (self.metrics_addr, self.live_addr, self.change_events_addr))
        return frozenset(int(port) for port in ports if port.isdigit() and port != "0")

    def check(self) -> None:
        Settings.check(
            self
        )  # a slotted dataclass is made anew: `super()` without arguments would name its first version
        for name, entries in (
            ("store-hosts-allowed", self.store_hosts_allowed),
            ("store-hosts-denied", self.store_hosts_denied),
        ):
            try:
                hosts_of(entries)
            except NoHost as error:
                raise UsageError(f"--{name}: {error}", fix=error.fix) from None
        if self.enable_leader_election and self.leader_election_renew_deadline >= self.leader_election_lease_duration:
            raise UsageError(
                "--leader-election-renew-deadline must be shorter than --leader-election-lease-duration",
                fix="for example 10s and 15s",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings(Settings):
    """Flags of `eso webhook`."""

    command: ClassVar[str] = "webhook"

    healthz_addr: str = text(
        ":8081", "bind address of /healthz and /readyz; 0 disables them", Group.SERVERS, "HOST:PORT"
    )
    port: int = number(10250, "TCP port of the TLS listener", Group.WEBHOOK, least=1)
    bind_address: str = text("", "address of the TLS listener; all of the machine's if empty", Group.WEBHOOK, "ADDRESS")
    dns_name: str = text("localhost", "name for which the serving certificate must be valid", Group.WEBHOOK, "NAME")
    tls_ciphers: tuple[str, ...] = words(
        (),
        "cipher suites of TLS 1.2 and older by their IANA names; the library's choice if empty",
        Group.WEBHOOK,
        "A,B",
    )
    tls_min_version: str = text("1.2", "oldest TLS version that is accepted", Group.WEBHOOK, "VERSION")
    cert_dir: str = text(
        "/tmp/k8s-webhook-server/serving-certs",
        "directory of tls.crt, tls.key and ca.crt",
        Group.CERTIFICATES,
        "DIRECTORY",
    )
    check_interval: float = duration("5m", "time between checks of the certificate", Group.CERTIFICATES, least=0.001)
    lookahead_interval: float = duration(
        "2160h", "the certificate must still be valid for this long, otherwise the process ends", Group.CERTIFICATES
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CertControllerSettings(Settings):
    """Flags of `eso certcontroller`."""

    command: ClassVar[str] = "certcontroller"

    healthz_addr: str = text(
        ":8081", "bind address of /healthz and /readyz; 0 disables them", Group.SERVERS, "HOST:PORT"
    )
    crd_names: tuple[str, ...] = words(
        (
            "externalsecrets.external-secrets.io",
            "clustersecretstores.external-secrets.io",
            "secretstores.external-secrets.io",
        ),
        "CRDs whose conversion webhook gets the CA",
        Group.SCOPE,
        "A,B",
    )
    enable_partial_cache: bool = switch(
        False, "watch only objects with the label external-secrets.io/component", Group.SCOPE
    )
    crd_requeue_interval: float = duration(
        "5m", "look at CRDs and webhook configurations this often", Group.PACE, least=0.001
    )
    service_name: str = text("external-secrets-webhook", "name of the webhook's Service", Group.WEBHOOK, "NAME")
    service_namespace: str = text("default", "namespace of the webhook's Service", Group.WEBHOOK, "NAMESPACE")
    secret_name: str = text(
        "external-secrets-webhook", "name of the Secret with the CA and the certificate", Group.CERTIFICATES, "NAME"
    )
    secret_namespace: str = text("default", "namespace of that Secret", Group.CERTIFICATES, "NAMESPACE")
    enable_leader_election: bool = switch(False, "only the holder of the Lease works", Group.ELECTION)


S = TypeVar("S", bound=Settings)
TRUE: Final = {"1", "t", "T", "true", "TRUE", "True"}
FALSE: Final = {"0", "f", "F", "false", "FALSE", "False"}


def table(settings: type[Settings]) -> list[Flag]:
    """The flags of a subcommand, in the order of its fields."""
    return [Flag(one.name.replace("_", "-"), **one.metadata[FLAG]) for one in fields(settings) if FLAG in one.metadata]


def parse(settings: type[S], argv: Sequence[str]) -> S:
    """GNU long flags only: `--name=value`, `--name value`, booleans `--name` or `--name=false`. Raises UsageError."""
    known = {flag.name: flag for flag in table(settings)}
    values: dict[str, Any] = {}
    rest = iter(argv)
    for word in rest:
        if not (match := re.fullmatch(r"--([a-z0-9-]+)(?:=(.*))?", word, re.DOTALL)) or match[1] not in known:
            raise UsageError(
                f"unknown flag or argument: {word.split('=')[0]}", fix=f"see eso {settings.command} --help"
            )
        flag, written = known[match[1]], match[2]
        if written is None:
            written = "true" if flag.kind is Kind.SWITCH else next(rest, None)
        if written is None:
            raise UsageError(f"--{flag.name} needs a value of kind {flag.kind.value}", fix=example(flag))
        value = convert(flag, written)
        values[flag.name] = values.get(flag.name, ()) + value if flag.kind is Kind.WORDS else value
    made = settings(given=frozenset(values), **{name.replace("-", "_"): value for name, value in values.items()})
    made.check()
    return made


def _switch(written: str) -> bool:
    if written not in TRUE | FALSE:
        raise ValueError("use true or false")
    return written in TRUE


READERS: Final[Mapping[Kind, Callable[[str], Any]]] = {
    Kind.TEXT: str,
    Kind.SWITCH: _switch,
    Kind.NUMBER: int,
    Kind.RATE: float,
    Kind.DURATION: parse_duration,
    Kind.SIZE: parse_size,
    Kind.WORDS: lambda written: tuple(part for part in written.split(",") if part),
}


def convert(flag: Flag, written: str) -> Any:
    try:
        value = READERS[flag.kind](written)
    except (ValueError, DurationError) as error:
        is_number = flag.kind in (Kind.NUMBER, Kind.RATE)  # Python's own texts say nothing to the reader
        wanted = "number" if is_number else f"{flag.kind.value}: {error}"
        raise UsageError(f"--{flag.name}: {written!r} is no {wanted}", fix=example(flag)) from None
    if flag.choices:
        known = {choice.lower(): choice for choice in flag.choices}
        value = known.get(value.lower())
        if value is None:
            fix = "one of " + ", ".join(flag.choices)
            raise UsageError(f"--{flag.name}: {written!r} is none of its values", fix=fix)
    if flag.least is not None and value < flag.least:
        raise UsageError(f"--{flag.name}: {written!r} is too small", fix=example(flag))
    return value


def example(flag: Flag) -> str:
    return f"for example --{flag.name}={flag.shown}"


def usage(settings: type[Settings]) -> str:
    """The help of a subcommand: flags under their headings, each with its default."""
    flags = table(settings)
    blocks = []
    for group in Group:
        if rows := [flag for flag in flags if flag.group is group]:
            blocks.append("\n".join([f"{group.value}:", *(_row(flag) for flag in rows)]))
    return "\n\n".join(blocks)


def _row(flag: Flag) -> str:
    head = f"  --{flag.name}" + (f"={flag.value}" if flag.value else "")
    shown = ", ".join(flag.default) if flag.kind is Kind.WORDS else flag.shown  # with places where a line may break
    told = flag.help + (f" (default {shown})" if shown else "")
    indent = " " * 50
    lines = textwrap.wrap(told, HELP_WIDTH - len(indent), break_on_hyphens=False)
    if len(head) < len(indent) - 1:
        return head.ljust(len(indent)) + f"\n{indent}".join(lines)
    return "\n".join([head, *(indent + line for line in lines)])
