from __future__ import annotations

import ast
from pathlib import Path

import pytest

import eso
from eso.app.flags import (
    HELP_WIDTH,
    CertControllerSettings,
    ControllerSettings,
    Group,
    Kind,
    Settings,
    UsageError,
    WebhookSettings,
    parse,
    table,
    usage,
)

SUBCOMMANDS = (ControllerSettings, WebhookSettings, CertControllerSettings)


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        pytest.param([], "concurrent", 1, id="a default"),
        pytest.param([], "store_requeue_interval", 300.0, id="a default duration in seconds"),
        pytest.param(["--loglevel=INFO"], "loglevel", "info", id="a level in capitals"),
        pytest.param(["--controller-class=other"], "controller_class", "other", id="a string with an equals sign"),
        pytest.param(["--controller-class", "other"], "controller_class", "other", id="a string as the next word"),
        pytest.param(
            ["--template-left-delimiter=<%="], "template_left_delimiter", "<%=", id="only the first equals sign counts"
        ),
        pytest.param(["--enable-leader-election"], "enable_leader_election", True, id="a boolean alone is true"),
        pytest.param(["--enable-flood-gate=f"], "enable_flood_gate", False, id="a boolean in short"),
        pytest.param(["--store-requeue-interval=1h30m"], "store_requeue_interval", 5400.0, id="a Go duration"),
        pytest.param(["--status-heartbeat=0"], "status_heartbeat", 0.0, id="a bare zero is a duration"),
        pytest.param(["--client-qps=7.5"], "client_qps", 7.5, id="a float"),
        pytest.param(["--concurrent=1", "--concurrent=5"], "concurrent", 5, id="the last one counts"),
        pytest.param(["--metrics-secure=false"], "metrics_secure", False, id="protection that is switched off"),
    ],
)
def test_a_flag_is_read(argv, name, value):
    assert getattr(parse(ControllerSettings, argv), name) == value


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        pytest.param(
            [],
            (
                "externalsecrets.external-secrets.io",
                "clustersecretstores.external-secrets.io",
                "secretstores.external-secrets.io",
            ),
            id="the default",
        ),
        pytest.param(["--crd-names=a,b"], ("a", "b"), id="a value replaces the default"),
        pytest.param(["--crd-names=a,b", "--crd-names", "c"], ("a", "b", "c"), id="a repeated flag appends"),
        pytest.param(["--crd-names="], (), id="an empty value is an empty list"),
    ],
)
def test_a_list_is_read(argv, names):
    assert parse(CertControllerSettings, argv).crd_names == names


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        pytest.param(["--nonsense=1"], "--nonsense", id="an unknown flag"),
        pytest.param(["--given=x"], "--given", id="a field that is no flag"),
        pytest.param(["--port=1"], "--port", id="a flag of another subcommand"),
        pytest.param(["-concurrent=1"], "-concurrent", id="one dash"),
        pytest.param(["word"], "word", id="a stray word"),
        pytest.param(["--concurrent"], "needs a value of kind int", id="a missing value"),
        pytest.param(["--enable-flood-gate", "false"], "false", id="a boolean does not take the next word"),
        pytest.param(["--enable-flood-gate=maybe"], "--enable-flood-gate", id="no boolean"),
        pytest.param(["--concurrent=many"], "--concurrent", id="no integer"),
        pytest.param(["--store-requeue-interval=5"], "missing unit", id="a duration without a unit"),
        pytest.param(["--store-requeue-interval=-5s"], "too small", id="a negative duration"),
        pytest.param(["--leader-election-retry-period=0"], "too small", id="no pause between tries"),
        pytest.param(["--passes-in-flight=0"], "too small", id="no pass at all"),
        pytest.param(["--memory-budget=1Zi"], "is no quantity", id="no quantity"),
        pytest.param(["--loglevel=loud"], "'loud' is none of its values", id="no level"),
        pytest.param(
            ["--enable-leader-election", "--leader-election-renew-deadline=20s"],
            "must be shorter",
            id="a deadline longer than the lease",
        ),
        pytest.param(["--store-hosts-allowed=https://vault"], "--store-hosts-allowed", id="a URL for a host"),
        pytest.param(["--store-hosts-denied=10.0.0.0/64"], "--store-hosts-denied", id="no network"),
        pytest.param(["--metrics-auth=true"], "--metrics-auth needs --metrics-secure", id="tokens in the clear"),
    ],
)
def test_bad_arguments_name_the_flag_and_a_fix(argv, text):
    with pytest.raises(UsageError) as failed:
        parse(ControllerSettings, argv)
    assert text in str(failed.value)
    assert failed.value.fix


@pytest.mark.parametrize("settings", SUBCOMMANDS, ids=lambda settings: settings.command)
def test_no_subcommand_takes_tokens_in_the_clear(settings):
    with pytest.raises(UsageError):
        parse(settings, ["--metrics-auth"])


@pytest.mark.parametrize("settings", SUBCOMMANDS, ids=lambda settings: settings.command)
def test_an_unknown_flag_names_the_help_of_its_subcommand(settings):
    with pytest.raises(UsageError) as failed:
        parse(settings, ["--nonsense"])
    assert failed.value.fix == f"see eso {settings.command} --help"


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        pytest.param(settings, flag, id=f"{settings.command} {flag.name}")
        for settings in SUBCOMMANDS
        for flag in table(settings)
    ],
)
def test_every_flag_parses_with_its_default_as_it_is_shown(settings, flag):
    assert getattr(parse(settings, [f"--{flag.name}={flag.shown}"]), flag.name.replace("-", "_")) == flag.default


@pytest.mark.parametrize("settings", SUBCOMMANDS, ids=lambda settings: settings.command)
def test_the_help_shows_every_flag_under_its_heading_with_its_default(settings):
    told = usage(settings)
    blocks = {block.partition(":")[0]: " ".join(block.split()) for block in told.split("\n\n")}
    for flag in table(settings):
        block = blocks[flag.group.value]
        assert f"--{flag.name}={flag.value} " in block if flag.value else f"--{flag.name} " in block
        shown = flag.shown.replace(",", ", ")
        assert f"(default {shown})" in block or not shown
    assert list(blocks) == [group.value for group in Group if group.value in blocks]
    assert max(len(line) for line in told.splitlines()) <= HELP_WIDTH


def test_the_help_shows_durations_as_a_person_writes_them():
    told = usage(ControllerSettings)
    assert "(default 15s)" in told and "(default 5m)" in told and "300.0" not in told


def test_flags_without_effect_are_told_only_when_given():
    assert parse(ControllerSettings, []).without_effect() == []
    told = parse(ControllerSettings, ["--concurrent=1", "--loglevel=debug"]).without_effect()
    assert len(told) == 1 and told[0].startswith("--concurrent")
    assert parse(WebhookSettings, ["--enable-http2", "--port=1"]).without_effect()[0].startswith("--enable-http2")


def _settings_read() -> set[str]:
    """Every name that a module reads from something that is called `settings` or `flags`."""
    found = set()
    for path in Path(eso.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
                found |= {node.attr} if owner in ("settings", "flags") else set()
    return found


def test_a_flag_has_an_effect_exactly_if_some_module_reads_it():
    read = _settings_read()
    assert [
        flag.name for flag in table(ControllerSettings) if (flag.name.replace("-", "_") in read) is not flag.effect
    ] == []


# Names, kinds and defaults of the reference, as its users write them.
COMMON = """
metrics-addr string :8080
metrics-secure bool false
metrics-auth bool false
metrics-cert-dir string
metrics-cert-name string tls.crt
metrics-key-name string tls.key
enable-http2 bool false
loglevel string info
zap-time-encoding string epoch
"""
REFERENCE: dict[type[Settings], str] = {
    ControllerSettings: COMMON
    + """
live-addr string :8082
controller-class string default
enable-leader-election bool false
leader-election-id string external-secrets-controller
leader-election-lease-duration duration 15s
leader-election-renew-deadline duration 10s
leader-election-retry-period duration 2s
concurrent int 1
client-qps float 50
client-burst int 100
namespace string
enable-secret-store-reconciler bool true
enable-cluster-store-reconciler bool true
enable-cluster-external-secret-reconciler bool true
enable-push-secret-reconciler bool true
enable-cluster-push-secret-reconciler bool true
enable-secrets-caching bool false
enable-configmaps-caching bool false
enable-managed-secrets-caching bool true
enable-secret-api-read-on-cache-mismatch bool true
store-requeue-interval duration 5m
enable-flood-gate bool true
enable-generator-state bool true
enable-extended-metric-labels bool false
unsafe-allow-generic-targets bool false
generator-gc-grace-period duration 2m
template-left-delimiter string {{
template-right-delimiter string }}
enable-vault-token-cache bool false
vault-token-cache-size int 262144
experimental-enable-vault-token-cache bool false
experimental-vault-token-cache-size int 262144
experimental-enable-doppler-oidc-cache bool false
experimental-doppler-oidc-cache-size int 262144
doppler-etag-cache-size int 16384
mysterybox-tokens-cache-size int 4096
mysterybox-connections-cache-size int 128
""",
    CertControllerSettings: COMMON
    + """
healthz-addr string :8081
service-name string external-secrets-webhook
service-namespace string default
secret-name string external-secrets-webhook
secret-namespace string default
crd-names list externalsecrets.%s,clustersecretstores.%s,secretstores.%s
crd-requeue-interval duration 5m
enable-partial-cache bool false
enable-leader-election bool false
""".replace("%s", "external-secrets.io"),
    WebhookSettings: COMMON
    + """
healthz-addr string :8081
port int 10250
dns-name string localhost
cert-dir string /tmp/k8s-webhook-server/serving-certs
check-interval duration 5m
lookahead-interval duration 2160h
tls-ciphers list
tls-min-version string 1.2
""",
}


@pytest.mark.parametrize("settings", SUBCOMMANDS, ids=lambda settings: settings.command)
def test_every_flag_of_the_reference_is_there_with_its_default(settings):
    ours = {flag.name: (flag.kind, flag.shown) for flag in table(settings)}
    wanted = {}
    for line in REFERENCE[settings].split("\n"):
        if line:
            name, kind, *shown = line.split(" ")
            wanted[name] = (Kind(kind), " ".join(shown))
    assert {name: ours.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("written", "size"), [("0", 0), ("1000", 1000), ("64Mi", 64 << 20), ("2Gi", 2 << 30), ("5M", 5_000_000)]
)
def test_a_quantity_is_read(written, size):
    assert parse(ControllerSettings, [f"--memory-budget={written}"]).memory_budget == size
