from __future__ import annotations

import asyncio
import base64
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness.certs import Authority
from eso.api.meta import SECRETS
from eso.kube import config as c
from eso.kube.config import (
    ClusterAccess,
    ConfigError,
    FixedAccess,
    InCluster,
    KubeConfig,
    Loaded,
    connect,
    pod_namespace,
)
from eso.kube.rest import Rest, Unauthorized, Unreachable
from eso.net.http import Proxies
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.clock import VirtualClock, until

CANARY = "hunter2"


class Pki:
    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        pair = self.authority.server("server")
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority.cert))
        self.server.load_cert_chain(pair.cert, pair.key)
        self.server.verify_mode = ssl.CERT_OPTIONAL


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def api(pki: Pki):
    async with FakeApiServer(tls=pki.server) as server:
        yield server


@pytest.fixture
def account(tmp_path: Path, pki: Pki) -> Path:
    """What the kubelet mounts into a pod."""
    (tmp_path / "token").write_text("first")
    (tmp_path / "ca.crt").write_bytes(pki.authority.cert.read_bytes())
    (tmp_path / "namespace").write_text("external-secrets-system\n")
    return tmp_path


def environ(api: FakeApiServer) -> dict[str, str]:
    return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": api.url.rsplit(":", 1)[1]}


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, text: str, **more: Any) -> None:
        self.lines.append((text, more))


async def in_pod(api: FakeApiServer, account: Path, clock: VirtualClock, log: Log | None = None) -> ClusterAccess:
    access = ClusterAccess(InCluster(environ(api), account), Proxies(), clock=clock, log=log or Log())
    await access.start()
    return access


def tokens(api: FakeApiServer) -> list[str]:
    return [one.headers.get("Authorization", "") for one in api.requests]


async def test_in_a_pod_the_mounted_files_say_where_and_who(api, account):
    api.tokens = {"first"}
    access = await connect(environ(api), account=account)
    assert access.server == api.url
    assert await Rest(access).get(SECRETS, "a", "s") is None
    assert pod_namespace(account) == "external-secrets-system"
    await access.close()


def test_outside_of_a_pod_there_is_no_namespace(tmp_path):
    assert pod_namespace(tmp_path / "nothing") == ""


async def test_a_rotated_token_is_used_within_a_minute(api, account):
    clock = VirtualClock()
    access = await in_pod(api, account, clock)
    rest = Rest(access)
    await rest.get(SECRETS, "a", "s")
    (account / "token").write_text("second\n")
    clock.jump(59.0)
    await rest.get(SECRETS, "a", "s")
    clock.jump(1.0)
    await rest.get(SECRETS, "a", "s")
    assert tokens(api) == ["Bearer first", "Bearer first", "Bearer second"]
    await access.close()


async def test_a_token_refused_before_that_is_read_again_at_once(api, account):
    access = await in_pod(api, account, VirtualClock())
    (account / "token").write_text("second")
    api.tokens = {"second"}
    assert await Rest(access).get(SECRETS, "a", "s") is None
    assert tokens(api) == ["Bearer first", "Bearer second"]
    await access.close()


async def test_many_refused_at_once_read_once(api, account):
    access = await in_pod(api, account, VirtualClock())
    loads = 0
    load = access._source.load

    async def counted(*, refused: bool) -> Loaded:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0)
        return await load(refused=refused)

    access._source.load = counted  # type: ignore[method-assign]  # counts, then does the same
    (account / "token").write_text("second")
    api.tokens = {"second"}
    rest = Rest(access)
    async with asyncio.TaskGroup() as group:
        for n in range(10):
            group.create_task(rest.get(SECRETS, "a", str(n)))
    assert loads == 1
    await access.close()


async def test_a_token_that_stays_refused_is_not_read_in_a_loop(api, account):
    clock = VirtualClock()
    access = await in_pod(api, account, clock)
    api.tokens = set()
    rest = Rest(access)
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await rest.get(SECRETS, "a", "s")
    assert len(api.requests) == 5
    api.tokens = {"second"}
    (account / "token").write_text("second")
    clock.jump(c.FORCED)
    assert await rest.get(SECRETS, "a", "s") is None
    await access.close()


@pytest.mark.parametrize("broken", ["token", "ca.crt"])
async def test_files_that_cannot_be_read_for_a_moment_leave_the_last_ones_in_force(api, account, broken):
    clock, log = VirtualClock(), Log()
    access = await in_pod(api, account, clock, log)
    (account / broken).write_text("")
    clock.jump(60.0)
    assert await Rest(access).get(SECRETS, "a", "s") is None
    assert tokens(api) == ["Bearer first"]
    assert [text for text, _ in log.lines] == ["could not read the API server's credentials again"]
    await access.close()


async def test_another_ca_means_new_connections_and_old_watches_live_on(api, account, tmp_path_factory):
    clock = VirtualClock()
    access = await in_pod(api, account, clock)
    rest = Rest(access)
    before = await access.pool()
    async with rest.watch(SECRETS, "", "100") as chunks:
        await until(lambda: api.watching == 1)
        other = Authority(tmp_path_factory.mktemp("other"))
        (account / "ca.crt").write_bytes(other.cert.read_bytes())
        clock.jump(60.0)
        with pytest.raises(Unreachable, match="cannot trust"):
            await rest.get(SECRETS, "a", "s")
        assert await access.pool() is not before
        api.bookmark()
        assert b"BOOKMARK" in await anext(chunks)
    assert before._session is None, "the last request on it has ended"
    await access.close()


async def test_the_same_files_keep_their_connections(api, account):
    clock = VirtualClock()
    access = await in_pod(api, account, clock)
    before = await access.pool()
    (account / "token").write_text("second")
    clock.jump(60.0)
    assert await access.pool() is before
    await access.close()


# kubeconfig.


def kubeconfig(path: Path, api: FakeApiServer, pki: Pki, user: dict[str, Any], **cluster: Any) -> str:
    inline = {"certificate-authority-data": base64.b64encode(pki.authority.cert.read_bytes()).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": api.url + "/"} | inline | cluster}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return str(path)


async def from_file(paths: str, clock: VirtualClock | None = None) -> ClusterAccess:
    access = ClusterAccess(KubeConfig(paths), Proxies(), clock=clock or VirtualClock())
    await access.start()
    return access


async def test_kubeconfig_wins_over_the_pods_own_account(api, pki, account, tmp_path):
    path = kubeconfig(tmp_path / "config", api, pki, {"token": "mine"})
    access = await connect(environ(api) | {"KUBECONFIG": path}, account=account)
    await Rest(access).get(SECRETS, "a", "s")
    assert tokens(api) == ["Bearer mine"]
    await access.close()


async def test_the_file_in_the_home_directory_is_the_last_resort(api, pki, tmp_path):
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", api, pki, {"token": "mine"})
    access = await connect({"HOME": str(tmp_path)}, account=tmp_path / "nothing")
    assert access.server == api.url
    await access.close()


def inlined(file: str) -> str:
    return base64.b64encode(Path(file).read_bytes()).decode()


async def test_a_client_certificate_is_shown(api, pki, tmp_path):
    pair = pki.authority.client("me", "admin")
    files = {"client-certificate": str(pair.cert), "client-key": str(pair.key)}
    inline = {f"{name}-data": inlined(file) for name, file in files.items()}
    for user in (files, inline):
        access = await from_file(kubeconfig(tmp_path / "config", api, pki, user))
        await Rest(access).get(SECRETS, "a", "s")
        await access.close()
    assert [one.client for one in api.requests] == ["admin", "admin"]


async def test_a_renewed_client_certificate_is_shown_on_new_connections(api, pki, tmp_path):
    clock = VirtualClock()
    pair = pki.authority.client("renewed", "old")
    access = await from_file(
        kubeconfig(tmp_path / "config", api, pki, {"client-certificate": str(pair.cert), "client-key": str(pair.key)}),
        clock,
    )
    rest = Rest(access)
    await rest.get(SECRETS, "a", "s")
    pki.authority.client("renewed", "new")
    clock.jump(60.0)
    await rest.get(SECRETS, "a", "s")
    assert [one.client for one in api.requests] == ["old", "new"]
    await access.close()


async def test_a_token_file_is_read_again(api, pki, tmp_path):
    clock = VirtualClock()
    (tmp_path / "token").write_text("first")
    access = await from_file(kubeconfig(tmp_path / "config", api, pki, {"tokenFile": str(tmp_path / "token")}), clock)
    rest = Rest(access)
    await rest.get(SECRETS, "a", "s")
    (tmp_path / "token").write_text("second")
    clock.jump(60.0)
    await rest.get(SECRETS, "a", "s")
    assert tokens(api) == ["Bearer first", "Bearer second"]
    await access.close()


def plugin(folder: Path, expiry: str = "") -> dict[str, Any]:
    """A credential plugin that counts its runs in its token."""
    status = '{"token": "run-%s"' + (f', "expirationTimestamp": "{expiry}"' if expiry else "") + "}"
    reply = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": ' + status + "}"
    script = folder / "plugin"
    script.write_text(f"#!/bin/sh\necho run >> {folder}/runs\nprintf '{reply}' $(wc -l < {folder}/runs | tr -d ' ')\n")
    script.chmod(0o755)
    return {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "interactiveMode": "Never"}
    }


async def test_a_plugin_that_hangs_delays_one_request_once_and_is_not_run_again(api, account, monkeypatch):
    monkeypatch.setattr(c, "PATIENCE", 0.02)
    clock, log = VirtualClock(), Log()
    access = await in_pod(api, account, clock, log)
    load, hanging, runs = access._source.load, asyncio.Event(), 0

    async def hangs(*, refused: bool) -> Loaded:
        nonlocal runs
        runs += 1
        await hanging.wait()
        return await load(refused=refused)

    access._source.load = hangs  # type: ignore[method-assign]  # as a plugin that waits for input
    for _ in range(3):
        clock.jump(60.0)
        assert await access.authorization() == "Bearer first"
        assert await access.refused("Bearer first") is False
    assert runs == 1
    assert {text for text, _ in log.lines} == {
        "the API server's credentials are still being read; the last ones stay in force"
    }
    (account / "token").write_text("second")
    hanging.set()
    await until(lambda: access._loaded.authorization == "Bearer second")
    assert await access.refused("Bearer first") is True
    await access.close()


async def test_closing_ends_a_reading_that_hangs(api, account, monkeypatch):
    monkeypatch.setattr(c, "PATIENCE", 0.0)
    clock = VirtualClock()
    access = await in_pod(api, account, clock)
    ended: list[bool] = []

    async def hangs(*, refused: bool) -> Loaded:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        raise AssertionError

    access._source.load = hangs  # type: ignore[method-assign]  # as above
    clock.jump(60.0)
    await access.authorization()
    await access.close()
    assert ended == [True]


async def test_a_first_reading_that_hangs_ends_the_start(api, account, monkeypatch):
    monkeypatch.setattr(c, "START", 0.02)
    access = ClusterAccess(InCluster(environ(api), account), Proxies())

    async def hangs(*, refused: bool) -> Loaded:
        await asyncio.sleep(60)
        raise AssertionError

    access._source.load = hangs  # type: ignore[method-assign]  # as above
    with pytest.raises(ConfigError, match="were not there within"):
        await access.start()
    await access.close()


@pytest.mark.parametrize(
    ("expiry", "second"),
    [
        pytest.param("", "Bearer run-1", id="a credential without an expiry is kept"),
        pytest.param("9998-01-01T00:00:00Z", "Bearer run-1", id="a credential that is still good is kept"),
        pytest.param("2020-01-01T00:00:00Z", "Bearer run-2", id="an expired credential is asked for again"),
    ],
)
async def test_a_plugin_runs_when_its_credential_has_run_out(api, pki, tmp_path, expiry, second):
    clock = VirtualClock()
    access = await from_file(kubeconfig(tmp_path / "config", api, pki, plugin(tmp_path, expiry)), clock)
    assert await access.authorization() == "Bearer run-1"
    clock.jump(60.0)
    assert await access.authorization() == second
    await access.close()


async def test_a_plugin_runs_again_when_its_credential_is_refused(api, pki, tmp_path):
    access = await from_file(kubeconfig(tmp_path / "config", api, pki, plugin(tmp_path)))
    api.tokens = {"run-2"}
    assert await Rest(access).get(SECRETS, "a", "s") is None
    assert tokens(api) == ["Bearer run-1", "Bearer run-2"]
    await access.close()


async def test_trust_can_be_switched_off_in_the_file(api, pki, tmp_path):
    other = base64.b64encode(Authority(tmp_path / "other").cert.read_bytes()).decode()
    path = kubeconfig(
        tmp_path / "config",
        api,
        pki,
        {"token": "t"},
        **{"certificate-authority-data": other, "insecure-skip-tls-verify": True},
    )
    access = await from_file(path)
    assert await Rest(access).get(SECRETS, "a", "s") is None
    await access.close()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="no file"),
        pytest.param("", id="an empty file"),
        pytest.param(f"token: {CANARY}: {CANARY}\n  - [", id="no YAML"),
        pytest.param(
            json.dumps({"current-context": "x", "clusters": [], "contexts": [], "users": []}), id="no such context"
        ),
        pytest.param(json.dumps({"users": [{"name": "me", "user": {"token": CANARY}}]}), id="no context at all"),
    ],
)
async def test_a_file_that_cannot_be_used_is_an_error_without_its_content(tmp_path, content):
    if content is not None:
        (tmp_path / "config").write_text(content)
    with pytest.raises(ConfigError) as caught:
        await from_file(str(tmp_path / "config"))
    assert CANARY not in f"{caught.value} {caught.value.fix}"


async def test_in_a_pod_without_a_token_the_reason_is_given(api, account):
    (account / "token").unlink()
    with pytest.raises(ConfigError, match="Service token file does not exist"):
        await in_pod(api, account, VirtualClock())


def test_neither_the_token_nor_the_proxys_password_prints():
    loaded = Loaded("https://h", authorization=f"Bearer {CANARY}", proxy=f"http://me:{CANARY}@proxy")
    assert CANARY not in repr(loaded)


async def test_a_fixed_credential_that_is_refused_stays_refused():
    access = FixedAccess("https://h/", "Bearer t")
    assert (access.server, await access.authorization(), await access.refused("Bearer t")) == (
        "https://h",
        "Bearer t",
        False,
    )


def test_loading_a_configuration_does_not_load_the_generated_models():
    code = (
        "import sys\n"
        "from eso.kube.config import loaders\n"
        "assert loaders().kube.KubeConfigLoader and loaders().incluster.InClusterConfigLoader\n"
        "print(len([m for m in sys.modules if m.startswith('kubernetes_asyncio')]))\n"
        "import kubernetes_asyncio.client\n"
        "print(kubernetes_asyncio.client.CoreV1Api.__name__)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert printed == ["0", "CoreV1Api"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "is no kubeconfig", id="empty"),
        pytest.param(CANARY, "is no kubeconfig", id="a text"),
        pytest.param(f"a:\tb\n\t{CANARY}", "is not YAML", id="tabs"),
        pytest.param(
            f"clusters: {CANARY}\ncontexts: 5\ncurrent-context: c\n", "lists clusters, contexts and users", id="no list"
        ),
    ],
)
async def test_a_kubeconfig_that_is_none_is_named_with_the_reason_and_the_fix(tmp_path, text: str, told: str):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        await ClusterAccess(KubeConfig(str(path)), Proxies()).start()
    assert str(path) in str(caught.value) and told in str(caught.value) and CANARY not in str(caught.value)
    assert "kubectl config view" in (caught.value.fix or "")


async def test_a_kubeconfig_that_is_a_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="Is a directory"):
        await ClusterAccess(KubeConfig(str(tmp_path)), Proxies()).start()


async def test_a_context_that_is_not_there_has_a_fix(tmp_path):
    path = tmp_path / "config"
    path.write_text("{clusters: [], contexts: [], users: [], current-context: gone}")
    with pytest.raises(ConfigError, match="gone") as caught:
        await ClusterAccess(KubeConfig(str(path)), Proxies()).start()
    assert "kubectl config get-contexts" in (caught.value.fix or "")
