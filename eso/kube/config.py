"""Where the API server is and who we are: in a pod, or from a kubeconfig; read again as tokens and certificates rotate.

Neighbours: rest.py and watch.py ask before each request. kubernetes_asyncio reads the configuration and runs credential
plugins; it sends nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

from eso.errors import EsoError
from eso.net.http import Pool, Proxies, TlsError, tls_context
from eso.observe.log import SILENT, Log
from eso.runtime.clock import Clock, SystemClock

READ_AGAIN: Final = 60.0  # seconds; a kubelet replaces a token at 80 % of its life, an hour by default
FORCED: Final = 5.0  # seconds between two readings because of a 401: a plugin may be a slow program
PATIENCE: Final = 10.0  # seconds that one request waits for a reading; then it goes on with the last credentials
START: Final = 60.0  # seconds for the first reading, without which there is nothing to go on with
NEVER: Final = "9999-01-01T00:00:00Z"
SHAPE: Final = "set KUBECONFIG to a file that `kubectl config view` can show"
CONTEXT: Final = "choose one of `kubectl config get-contexts` with `kubectl config use-context NAME`"
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(EsoError):
    """There is no usable configuration for the API server."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One reading of the configuration. Files are named, not read: "" when there is none."""

    server: str
    authorization: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True
    server_name: str = ""
    proxy: str = field(default="", repr=False)


class Source(Protocol):
    async def load(self, *, refused: bool) -> Loaded:
        """Reads the configuration. `refused`: the last credential was answered with 401, do not trust its expiry."""


class InCluster:
    """The files and variables every pod gets."""

    def __init__(self, environ: Mapping[str, str], account: Path = ACCOUNT) -> None:
        loader = loaders().incluster.InClusterConfigLoader
        self._loader = loader(
            token_filename=str(account / "token"), cert_filename=str(account / "ca.crt"), environ=dict(environ)
        )

    async def load(self, *, refused: bool) -> Loaded:
        configuration = loaders().Configuration()
        self._loader.load_and_set(configuration)
        return _loaded(configuration)


class KubeConfig:
    """One or more kubeconfig files. A token file is read each time; a plugin runs when its credential expires or is
    refused."""

    def __init__(self, paths: str, context: str = "") -> None:
        self._paths, self._context = paths, context or None
        self._loader: Any = None
        self._user: Mapping[str, Any] = {}

    async def load(self, *, refused: bool) -> Loaded:
        # auth-provider entries keep what they refreshed inside the loader: a new one would start from the file's stale
        # token.
        if self._loader is None or "tokenFile" in self._user or (refused and "auth-provider" not in self._user):
            self._loader = self._fresh()
        elif "exec" in self._user and not hasattr(self._loader, "exec_plugin_expiry"):
            self._loader.exec_plugin_expiry = NEVER  # a credential without expiry is good until it is refused
        configuration = loaders().Configuration()
        await self._loader.load_and_set(configuration)
        return _loaded(configuration)

    def _fresh(self) -> Any:
        module = loaders().kube
        try:
            merged = module.KubeConfigMerger(self._paths).config
        except OSError as error:
            raise ConfigError(f"cannot read the kubeconfig {error.filename}: {error.strerror}", fix=SHAPE) from None
        except (module.yaml.YAMLError, UnicodeDecodeError):  # their texts quote the file
            raise ConfigError(f"the kubeconfig {self._paths} is not YAML", fix=SHAPE) from None
        except Exception:  # of any type, where another shape is than the merger expects
            raise ConfigError(
                f"{self._paths} is no kubeconfig: it must be a map with the lists clusters, contexts and users",
                fix=SHAPE,
            ) from None
        if merged is None:
            raise ConfigError(f"no kubeconfig at {self._paths}", fix="set KUBECONFIG to an existing file")
        try:
            loader = module.KubeConfigLoader(config_dict=merged, active_context=self._context, config_base_path=None)
        except loaders().ConfigException as error:
            raise ConfigError(f"cannot load the Kubernetes configuration: {error}", fix=CONTEXT) from error
        name = ((loader.current_context or {}).get("context") or {}).get("user")
        entry = merged["users"].get_with_name(name, safe=True) if name else None
        self._user = (entry["user"].value if entry is not None and entry.value.get("user") else None) or {}
        return loader


def _loaded(configuration: Any) -> Loaded:
    authorization = str(configuration.api_key.get("BearerToken") or "").strip()
    return Loaded(
        server=str(configuration.host).rstrip("/"),
        authorization=authorization,
        ca_file=configuration.ssl_ca_cert or "",
        cert_file=configuration.cert_file or "",
        key_file=configuration.key_file or "",
        verify=bool(configuration.verify_ssl),
        server_name=configuration.tls_server_name or "",
        proxy=configuration.proxy or "",
    )


class ClusterAccess:
    """The current reading and its connections; implements `rest.Access`.

    Re-read once it is `READ_AGAIN` seconds old, and on 401. When a certificate changed, new requests get new
    connections and the old ones end with the last request on them, so that watches survive a rotation. A reading that
    fails, or a credential plugin that hangs, leaves the last good reading in force.
    """

    def __init__(self, source: Source, proxies: Proxies, *, clock: Clock | None = None, log: Log = SILENT) -> None:
        self._source, self._proxies, self._clock, self._log = source, proxies, clock or SystemClock(), log
        self._loaded = Loaded("")
        self._material = b""
        self._pool = Pool()
        self._read_at = self._forced_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None  # at most one, so that a plugin that hangs is not run again

    @property
    def server(self) -> str:
        return self._loaded.server

    async def start(self) -> None:
        """The first reading. Raises ConfigError."""
        try:
            async with asyncio.timeout(START):
                await self._read(refused=False)
        except TimeoutError as error:
            raise ConfigError(
                f"the Kubernetes credentials were not there within {START:g} s",
                fix="run the credential plugin of the kubeconfig by hand: it may wait for input",
            ) from error

    async def pool(self) -> Pool:
        await self._keep_fresh()
        return self._pool

    async def authorization(self) -> str:
        await self._keep_fresh()
        return self._loaded.authorization

    async def refused(self, authorization: str) -> bool:
        await self._in_hand()  # many requests are refused at once, and one reading serves them all
        if self._loaded.authorization == authorization and self._clock.monotonic() - self._forced_at >= FORCED:
            self._forced_at = self._clock.monotonic()
            await self._read_again(refused=True)
        return self._loaded.authorization != authorization

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._pool.close()

    async def _keep_fresh(self) -> None:
        if self._clock.monotonic() - self._read_at >= READ_AGAIN:
            self._read_at = self._clock.monotonic()  # before the wait: other requests go on with the last reading
            await self._read_again(refused=False)

    async def _read_again(self, *, refused: bool) -> None:
        if self._reading is None or self._reading.done():
            # No TaskGroup: the reading outlives the request that asks for it. `close` ends it.
            self._reading = asyncio.ensure_future(self._try_to_read(refused=refused))
        if not await self._in_hand():
            self._log.warning("the API server's credentials are still being read; the last ones stay in force")

    async def _in_hand(self) -> bool:
        """Waits for the reading that runs now, but not longer than PATIENCE. False: it still runs."""
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading], timeout=PATIENCE)
        return self._reading is None or self._reading.done()

    async def _try_to_read(self, *, refused: bool) -> None:
        try:
            await self._read(refused=refused)
        except EsoError as error:
            self._log.warning("could not read the API server's credentials again", error=str(error))

    async def _read(self, *, refused: bool) -> None:
        try:
            loaded = await self._source.load(refused=refused)
            material = _material(loaded)
        except EsoError:
            raise
        except loaders().ConfigException as error:
            raise ConfigError(f"cannot load the Kubernetes configuration: {error}") from error
        except Exception as error:  # of any type, for a malformed kubeconfig; its text could quote the file
            raise ConfigError(f"cannot load the Kubernetes configuration ({type(error).__name__})") from None
        if material != self._material:
            pool, old = (
                Pool(tls=_tls(loaded), proxies=self._proxies, proxy=loaded.proxy, server_name=loaded.server_name),
                self._pool,
            )
            self._pool, self._material = pool, material
            await old.retire()
        self._loaded, self._read_at = loaded, self._clock.monotonic()


def _material(loaded: Loaded) -> bytes:
    """Digest of all that a connection depends on, the files' contents included."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((loaded.server, loaded.verify, loaded.server_name, loaded.proxy)).encode())
    for name in (loaded.ca_file, loaded.cert_file, loaded.key_file):
        content = Path(name).read_bytes() if name else b""
        digest.update(b"%d:%b" % (len(content), content))
    return digest.digest()


def _tls(loaded: Loaded) -> ssl.SSLContext | None:
    if not loaded.server.startswith("https"):
        return None
    try:
        return tls_context(
            ca_file=loaded.ca_file or None,
            cert_file=loaded.cert_file or None,
            key_file=loaded.key_file or None,
            verify=loaded.verify,
        )
    except TlsError as error:
        raise ConfigError(f"cannot talk TLS to the API server: {error}", fix=error.fix) from error


class FixedAccess:
    """A server whose address, trust and credential never change."""

    def __init__(self, server: str, authorization: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.server = server.rstrip("/")
        self._authorization, self._pool = authorization, Pool(tls=tls)

    async def pool(self) -> Pool:
        return self._pool

    async def authorization(self) -> str:
        return self._authorization

    async def refused(self, authorization: str) -> bool:
        return False

    async def close(self) -> None:
        await self._pool.close()


async def connect(environ: Mapping[str, str], *, account: Path = ACCOUNT, log: Log = SILENT) -> ClusterAccess:
    """KUBECONFIG when it is set, else the pod's own ServiceAccount, else ~/.kube/config. Raises ConfigError."""
    source: Source
    if environ.get("KUBECONFIG"):
        source = KubeConfig(environ["KUBECONFIG"])
    elif environ.get("KUBERNETES_SERVICE_HOST") and (account / "token").exists():
        source = InCluster(environ, account)
    else:
        source = KubeConfig(os.path.join(environ.get("HOME", "~"), ".kube", "config"))
    access = ClusterAccess(source, Proxies.from_environ(environ), log=log)
    await access.start()
    return access


def pod_namespace(account: Path = ACCOUNT) -> str:
    """The namespace this pod runs in, "" outside of a pod."""
    try:
        return (account / "namespace").read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class _Loaders:
    incluster: Any
    kube: Any
    Configuration: Any
    ConfigException: type[Exception]


_found: list[_Loaders] = []


def loaders() -> _Loaders:
    """The configuration part of kubernetes_asyncio, imported on first use."""
    if not _found:
        _found.append(_import())
    return _found[0]


def _import() -> _Loaders:
    """Imports `kubernetes_asyncio.config` without the 840 modules of generated models that its package imports first:
    40 MB resident.

    Empty packages stand in while it loads and are taken away afterwards, so that a later import of the whole library is
    not affected.
    """
    root = "kubernetes_asyncio"
    spec = importlib.util.find_spec(root)
    stand_ins: list[str] = []
    if root not in sys.modules and spec is not None and spec.submodule_search_locations:
        for name, folder in ((root, ""), (f"{root}.client", "client")):
            package = ModuleType(name)
            package.__path__ = [
                os.path.join(where, folder) if folder else where for where in spec.submodule_search_locations
            ]
            sys.modules[name] = package
            stand_ins.append(name)
        if "urllib3" not in sys.modules:  # 60 ms for a function that only basic authentication calls
            sys.modules["urllib3"] = late = ModuleType("urllib3")
            late.__getattr__ = lambda name: getattr(importlib.import_module("urllib3"), name)  # type: ignore[method-assign]  # PEP 562
            stand_ins.append("urllib3")
        client: Any = sys.modules[f"{root}.client"]
        client.Configuration = importlib.import_module(f"{root}.client.configuration").Configuration
        client.ApiClient = object  # named in signatures only
    try:
        incluster = importlib.import_module(f"{root}.config.incluster_config")
        kube = importlib.import_module(f"{root}.config.kube_config")
        found = _Loaders(
            incluster,
            kube,
            incluster.Configuration,
            importlib.import_module(f"{root}.config.config_exception").ConfigException,
        )
    finally:
        if stand_ins:
            gone = [name for name in sys.modules if name in stand_ins or name.startswith(f"{root}.")]
            for name in gone:
                del sys.modules[name]
    return found
