"""What a person hands in: manifests and data files, or a cluster to read from.

Neighbours: render.py asks. Every error names the file and the member; no message shows a value.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from msgspec.structs import replace

from eso.api.externalsecret import ExternalSecret, ExternalSecretSpec, StoreRef, Template, decode_external_secret
from eso.api.meta import CONFIG_MAPS, NAMESPACES, SECRETS, Undecodable
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES, SecretStore, decode_secret_store
from eso.cli.schema import complaints, type_of
from eso.cli.terminal import complain
from eso.errors import EsoError
from eso.gocompat import jsonenc, regexp
from eso.gocompat.duration import DurationError, parse_duration
from eso.kube.config import connect
from eso.kube.rest import Rest
from eso.net.http import Pools, Proxies
from eso.observe.log import get
from eso.providers.contract import Find, Malformed, RemoteRef, SecretNotFound
from eso.providers.env import Env
from eso.reconcile.externalsecret.compose import Composer, inline
from eso.reconcile.externalsecret.desired import Change
from eso.reconcile.externalsecret.gather import Reads
from eso.reconcile.externalsecret.readplan import sources_of, stores_of
from eso.reconcile.externalsecret.target import Before, Occasion
from eso.runtime.clock import SystemClock
from eso.runtime.offload import Offload
from eso.secretbytes import SecretBytes
from eso.stores.front import Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans
from eso.stores.registry import Registry
from eso.stores.resolve import Rules
from eso.template.apply import DEFAULT_TERMS, Sources
from eso.template.bounds import BoundsExceeded, Budget, Limits
from eso.template.functions.yamls import Tree, YamlError, key_text, load
from eso.template.world import WORLD
from eso.values import jsonmap

Json = dict[str, Any]


class BadInput(EsoError):
    """A file or an argument is not what it should be: exit code 2."""


@dataclass(frozen=True, slots=True)
class Given:
    """All that a Change is computed from."""

    es: ExternalSecret
    data: dict[str, bytes] = field(repr=False)
    sources: Sources = field(repr=False)
    live: Json | None = field(default=None, repr=False)


SEPARATOR = re.compile(r"^---[ \t]*(?:#.*)?\r?$", re.MULTILINE)
BYTES = 64 << 20
"""Of a file that is read."""


def documents(path: str) -> list[Any]:
    """All documents of a file in YAML or JSON, `-` is standard input. Raises BadInput; the text never shows a line of
    the file.

    Scalars and keys have the types that kubectl gives them (`yes` is true, 010 is 8, dates are text, every key is
    text). Bytes that are not UTF-8, which only `!!binary` can give, are surrogates.
    """
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}", fix="give an existing file") from error
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not YAML: not UTF-8 text") from None
    if text.lstrip()[:1] == "{":
        try:
            return [orjson.loads(text)]
        except orjson.JSONDecodeError:
            pass  # a flow mapping of YAML begins like this too
    found, start = [], 0
    for end, following in [*((cut.start(), cut.end()) for cut in SEPARATOR.finditer(text)), (len(text), len(text))]:
        try:
            tree = load(Budget(Limits(value_bytes=BYTES), WORLD), text[start:end].encode())
        except YamlError as error:
            line = error.line and text.count("\n", 0, start) + error.line
            raise BadInput(f"{path} is not YAML{f' at line {line}' if line else ''}: {error.problem}") from None
        except BoundsExceeded as error:
            raise BadInput(f"{path} is too large: {error}") from None
        found.append(plain(tree))
        start = following
    return [document for document in found if document is not None]


def plain(tree: Tree) -> Any:
    match tree:
        case bytes():
            return tree.decode("utf-8", "surrogateescape")
        case dict():
            return {key.decode("utf-8", "surrogateescape"): plain(value) for key, value in tree.items()}
        case list():
            return [plain(value) for value in tree]
    return tree


def mapping(path: str) -> Json:
    """The one document of a file, a map. Raises BadInput."""
    found = documents(path)
    if len(found) != 1 or not isinstance(found[0], dict):
        raise BadInput(f"{path} must hold one YAML map, key: value", fix="see eso render --help")
    return found[0]


def scalar(path: str, key: str, value: Any) -> bytes:
    """A value of a data file as the bytes that a backend would give. Raises BadInput for a list or a map."""
    match value:
        case str():
            return value.encode("utf-8", "surrogateescape")
        case None:
            return b""
        case bool() | int() | float():
            return json_number(value)
    raise BadInput(
        f"{path}: the value of {key!r} is a {type(value).__name__}, not text",
        fix="write JSON in quotes, or use --remote",
    )


def json_number(value: bool | int | float) -> bytes:
    """As JSON writes it in Go. NaN and the infinities, which JSON lacks, as YAML writes them."""
    try:
        return jsonenc.encode(value)
    except jsonenc.JsonError:
        return key_text(value)


def json_bytes(document: Any) -> bytes:
    """A manifest as it would be sent: what is not UTF-8 becomes U+FFFD."""
    return jsonenc.encode(encoded(document), escape_html=False)


def encoded(value: Any) -> Any:
    """The same tree with bytes for text."""
    match value:
        case str():
            return value.encode("utf-8", "surrogateescape")
        case dict():
            return {encoded(key): encoded(inner) for key, inner in value.items()}
        case list():
            return [encoded(inner) for inner in value]
    return value


def warn(found: list[Json]) -> None:
    """Tells on standard error what the API server would refuse or drop."""
    for document in found:
        meta = document.get("metadata")
        name = f"{document.get('kind')} {meta.get('name', '') if isinstance(meta, dict) else ''}".strip()
        for text in complaints(document):
            complain("eso render", f"warning: {name}: {text}")


def member_of(document: Json, name: str, prefix: str = "") -> Json:
    """A member that is a map, empty where it is absent. Raises BadInput; the text names the type of what is there."""
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadInput(f"{prefix}{name} must be a map, not {type_of(found)}", fix="correct the named member")
    return found


def manifests(paths: list[str], name: str) -> tuple[ExternalSecret, list[Json]]:
    """(the ExternalSecret, all documents). Raises BadInput."""
    found = [document for path in paths for document in documents(path)]
    if not all(isinstance(document, dict) for document in found):
        raise BadInput("a manifest must be a YAML map with apiVersion, kind and metadata")
    warn(found)
    names = [member_of(d, "metadata", f"a manifest of kind {d.get('kind')}: ").get("name") for d in found]
    of_kind = [(d, own) for d, own in zip(found, names, strict=True) if d.get("kind") == "ExternalSecret"]
    wanted = [d for d, own in of_kind if name in ("", own)]
    if not of_kind:
        raise BadInput(f"no ExternalSecret in {', '.join(paths)}", fix="give a manifest with kind: ExternalSecret")
    if len(wanted) != 1:
        what = f"named {name!r}" if name else "in the manifests"
        raise BadInput(f"{len(wanted)} ExternalSecrets {what}, exactly one is needed", fix="choose one with --name")
    meta = {"namespace": "default", **(wanted[0].get("metadata") or {})}
    try:
        es = decode_external_secret(json_bytes({**wanted[0], "metadata": meta}))
    except Exception as error:
        raise BadInput(f"the ExternalSecret has no readable metadata: {error}") from error
    if isinstance(es, Undecodable):
        raise BadInput(f"the ExternalSecret is not valid: {es.error}", fix="correct the named member")
    for text in durations(es.spec):
        complain("eso render", f"warning: ExternalSecret {es.name}: {text}")
    return es, found


def durations(spec: ExternalSecretSpec) -> Iterator[str]:
    """A text for each duration that is none. The schema takes any text, and the operator refuses the object."""
    written = {"spec.refreshInterval": spec.refresh_interval or "0s"}
    for i, window in enumerate(spec.sync_windows.windows if spec.sync_windows else ()):
        written[f"spec.syncWindows.windows[{i}].duration"] = window.duration
    for place, text in written.items():
        try:
            parse_duration(text)
        except DurationError as error:
            yield f"{place}: the operator refuses it: {error}: write a Go duration such as 1h or 90s"


def sources_in(es: ExternalSecret, found: list[Json]) -> dict[tuple[str, str], dict[str, str]]:
    """ConfigMaps and Secrets among the documents, as far as templateFrom names them."""
    sources: dict[tuple[str, str], dict[str, str]] = {}
    for kind, name in sources_of(es.spec):
        for document in found:
            if document.get("kind") == kind and (document.get("metadata") or {}).get("name") == name:
                sources[kind, name] = content(document)
    return sources


def content(document: Json) -> dict[str, str]:
    """Keys and texts of a ConfigMap or Secret. Raises BadInput."""
    prefix = f"{document.get('kind')} {member_of(document, 'metadata').get('name', '')}: "
    data = {k: text_of(v) for k, v in member_of(document, "data", prefix).items()}
    if document.get("kind") != "Secret":
        return data
    try:
        decoded = {
            key: base64.b64decode(value, validate=True).decode(errors="surrogateescape") for key, value in data.items()
        }
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"a Secret's data is not base64: {(document.get('metadata') or {}).get('name')}") from error
    return decoded | {k: text_of(v) for k, v in member_of(document, "stringData", prefix).items()}


def text_of(value: Any) -> str:
    """A value of a ConfigMap; one that is no text is refused by the API server, and shown as JSON here."""
    return value if isinstance(value, str) else json_bytes(value).decode()


def live_file(path: str | None) -> Json | None:
    if not path:
        return None
    found = mapping(path)
    if found.get("kind") != "Secret":
        raise BadInput(f"{path} holds no Secret", fix="kubectl get secret NAME -o yaml > FILE")
    return found


def given(arguments: argparse.Namespace) -> Given:
    """From files alone. Raises BadInput, or what a pass would raise."""
    es, found = manifests(arguments.filename, arguments.name)
    return Given(es, file_data(arguments, es), sources_in(es, found), live_file(arguments.live))


def file_data(arguments: argparse.Namespace, es: ExternalSecret) -> dict[str, bytes]:
    if arguments.data:
        return {key: scalar(arguments.data, key, value) for key, value in mapping(arguments.data).items()}
    return asyncio.run(fetched(es, FileReads(mapping(arguments.remote), arguments.remote)))


async def fetched(es: ExternalSecret, reads: Reads) -> dict[str, bytes]:
    composer = offline(reads, {})
    return (await composer.assemble(es, await composer.read(es))).data


def offline(reads: Reads, sources: Sources) -> Composer:
    """What a pass composes a Secret with, in a process that does nothing else."""

    async def given_sources(es: ExternalSecret) -> Sources:
        return sources

    return Composer(reads, given_sources, inline, DEFAULT_TERMS, b"")


async def composed(found: Given) -> Change:
    """The Change that a pass would make. A target of another kind is shown as the Secret that it would be."""
    spec = found.es.spec
    es = replace(found.es, spec=replace(spec, target=replace(spec.target, manifest=None)))
    composer = offline(FileReads({}, ""), found.sources)
    before, sources = await composer.before(es, GivenTarget(found.live), found.data, Occasion())
    return await composer.change(es, before, found.data, sources)


@dataclass(frozen=True, slots=True)
class GivenTarget:
    """A target that was read already."""

    live: Json | None = field(repr=False)

    async def before(self, es: ExternalSecret, data: Mapping[str, bytes], inputs: bytes, settle: bool) -> Before:
        return Before(self.live)


class FileReads:
    """A backend in a file: remote key → text, or a map that is read like a JSON object."""

    def __init__(self, remote: Json, path: str) -> None:
        self.remote, self.path = remote, path

    async def read(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> SecretBytes:
        document = self._document(ref.key)
        if not ref.property:
            return SecretBytes(document)
        value = jsonmap.get_property(document, ref.property)
        if value is None:
            raise Malformed(
                f"cannot find property {ref.property} in remote key {ref.key}", fix=f"add it to {self.path}"
            )
        return SecretBytes(value)

    async def read_map(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> dict[str, SecretBytes]:
        document = (await self.read(namespace, store, ref, since)).reveal()
        return {key: SecretBytes(value) for key, value in jsonmap.to_map(document).items()}

    async def find(
        self, namespace: str, store: StoreRef, find: Find, since: float | None = None
    ) -> dict[str, SecretBytes]:
        pattern = regexp.compile(find.name_regexp) if find.name_regexp else None
        keys = [
            k
            for k in sorted(self.remote)
            if k.startswith(find.path or "") and (pattern is None or pattern.matches(k.encode()))
        ]
        return {key: SecretBytes(self._document(key)) for key in keys}

    def _document(self, key: str) -> bytes:
        if key not in self.remote:
            raise SecretNotFound(fix=f"add {key} to {self.path}")
        value = self.remote[key]
        return json_bytes(value) if isinstance(value, dict | list) else scalar(self.path, key, value)


def from_cluster(arguments: argparse.Namespace, environ: Mapping[str, str], live_wanted: bool) -> Given:
    """The same with a cluster for what the files do not say: stores and values (--from-store), template sources, the
    live Secret."""
    es, found = manifests(arguments.filename, arguments.name)
    return asyncio.run(_from_cluster(arguments, environ, es, found, live_wanted))


async def _from_cluster(
    arguments: argparse.Namespace, environ: Mapping[str, str], es: ExternalSecret, found: list[Json], live_wanted: bool
) -> Given:
    access = await connect(environ)
    try:
        rest, namespace = Rest(access), es.metadata.namespace
        sources: dict[tuple[str, str], dict[str, str]] = sources_in(es, found)
        for kind, name in sources_of(es.spec):
            raw = (
                await rest.get(CONFIG_MAPS if kind == "ConfigMap" else SECRETS, namespace, name)
                if (kind, name) not in sources
                else None
            )
            if raw is not None:
                sources[kind, name] = content({"kind": kind, **orjson.loads(raw)})
        live = live_file(arguments.live)
        if live_wanted:
            raw = await rest.get(SECRETS, namespace, es.target_name)
            live = orjson.loads(raw) if raw is not None else None
        if not arguments.from_store:
            # asyncio.run cannot nest: the files are read by the loop that is there.
            remote = FileReads(mapping(arguments.remote), arguments.remote) if arguments.remote else None
            data = await fetched(es, remote) if remote else file_data(arguments, es)
            return Given(es, data, sources, live)
        clock = SystemClock()
        env = Env(Pools(Proxies.from_environ(environ)), Offload(threads=1, name="values"), clock, get("render"))
        reader = Stores(await rules(rest, es), rest, Gates(clock), env)
        try:
            return Given(es, await fetched(es, reader), sources, live)
        finally:
            await reader.close()
    finally:
        await access.close()


async def rules(rest: Rest, es: ExternalSecret) -> Rules:
    """The stores that the ExternalSecret names, read once; whether they are Ready does not matter to a person who
    asks."""
    namespace = es.metadata.namespace
    stores: dict[tuple[str, str, str], SecretStore] = {}
    for ref in stores_of(es.spec):
        resource, where = (CLUSTER_SECRET_STORES, "") if ref.cluster_scoped else (SECRET_STORES, namespace)
        raw = await rest.get(resource, where, ref.name)
        store = decode_secret_store(raw) if raw is not None else None
        if isinstance(store, SecretStore):
            stores[resource.kind, where, ref.name] = store
    raw = await rest.get(NAMESPACES, "", namespace) if any(s.spec.conditions for s in stores.values()) else None
    labels: Mapping[str, str] | None = orjson.loads(raw)["metadata"].get("labels") or {} if raw is not None else None
    return Rules(
        lambda kind, where, name: stores.get((kind, where, name)),
        lambda _: labels,
        Plans(Registry()),
        flood_gate=False,
    )


def templated(arguments: argparse.Namespace) -> tuple[Template, dict[str, bytes], Sources]:
    """The files of the reference's template command, with its texts. Raises BadInput."""
    objects = read_for("could not read template file", arguments.source_templated_object)
    kind = objects.get("kind")
    if kind not in ("ExternalSecret", "PushSecret"):
        raise BadInput(f"unsupported template kind {kind}", fix="use an ExternalSecret or a PushSecret")
    spec = member_of(objects, "spec")
    block = (member_of(spec, "target", "spec.") if kind == "ExternalSecret" else spec).get("template")
    if block is None:
        raise BadInput(
            f"the {kind} has no template",
            fix="add spec.target.template" if kind == "ExternalSecret" else "add spec.template",
        )
    shell = {"metadata": {"name": "t", "namespace": "default"}, "spec": {"target": {"template": block}}}
    es = decode_external_secret(json_bytes(shell))
    if isinstance(es, Undecodable) or es.spec.target.template is None:
        raise BadInput(f"could not unmarshal template: {es.error if isinstance(es, Undecodable) else 'it is empty'}")
    if not arguments.source_secret_data_file:
        raise BadInput("--source-secret-data-file is needed", fix="a YAML map, values in base64")
    data: dict[str, bytes] = {}
    for key, value in read_for("could not read source secret file", arguments.source_secret_data_file).items():
        try:
            data[str(key)] = base64.b64decode(str(value), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadInput(f"could not unmarshal secret: the value of {key!r} is not base64") from error
    sources: dict[tuple[str, str], dict[str, str]] = {}
    for wanted, path in (("ConfigMap", arguments.template_from_config_map), ("Secret", arguments.template_from_secret)):
        document = read_for("could not setup from secret", path) if path else None
        for source_kind, name in sources_of(es.spec):
            if source_kind == wanted and document is not None:
                sources[source_kind, name] = content({**document, "kind": wanted})
    return es.spec.target.template, data, sources


def read_for(prefix: str, path: str) -> Json:
    try:
        return mapping(path)
    except BadInput as error:
        raise BadInput(f"{prefix}: {error}", fix=error.fix) from error
