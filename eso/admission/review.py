"""AdmissionReview → answer: the rules of `api.validate` and of the providers, applied to the one object that it holds.

Neighbours: server.py carries bodies and answers. Nothing here waits: a review reads no other object and asks no
backend, so no store can hold one up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from eso.api.externalsecret import ExternalSecret, ExternalSecretSpec, decode_external_secret
from eso.api.meta import ObjectMeta, Undecodable
from eso.api.pushsecret import PushSecret, decode_push_secret
from eso.api.secretstore import SecretStore, decode_secret_store
from eso.api.validate import (
    check_store,
    data_to_refusals,
    external_secret_refusals,
    external_secret_refusals_beta,
    maintenance_warnings,
    provider_of,
    regex_faults,
    undecodable,
)
from eso.api.wellknown import GENERATORS_GROUP, GROUP
from eso.errors import EsoError
from eso.generators.registry import CLUSTER_GENERATORS
from eso.generators.registry import Registry as GeneratorKinds
from eso.generators.resolve import UNRESOLVED, of_cluster
from eso.gocompat import text
from eso.gocompat.duration import DurationError
from eso.providers.contract import StoreView
from eso.stores.registry import Registry

REVIEWS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
MAX_MESSAGE: Final = 64 << 10
"""Characters of a refusal. The API server shows it to whoever wrote the object."""


@dataclass(frozen=True, slots=True)
class Admitted:
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The object breaks rules; `message` has a line for each."""

    message: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unfit:
    """The request or its object cannot be read (`code` 400), is too large (413), or our code is at fault (500)."""

    code: int
    message: str


Verdict = Admitted | Refused | Unfit


class _Kind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Request(msgspec.Struct):
    uid: str = ""
    kind: _Kind = msgspec.field(default_factory=_Kind)
    operation: str = ""
    namespace: str = ""
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Review(msgspec.Struct):
    request: _Request | None = None
    apiVersion: str = ""
    kind: str = ""


class _ClusterGenerator(msgspec.Struct):
    metadata: ObjectMeta
    spec: dict[str, Any] = {}


_review: Final = msgspec.json.Decoder(_Review)
NOT_READABLE: Final = (msgspec.MsgspecError, RecursionError, ValueError)
Judge = Callable[[msgspec.Raw, str], Verdict]
"""(object, namespace of the request) → verdict."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one path judges."""

    group: str
    version: str
    kind: str
    judge: Judge

    @property
    def path(self) -> str:
        """As the reference names its paths: `/validate-<group with dashes>-<version>-<kind>`."""
        return f"/validate-{self.group.replace('.', '-')}-{self.version}-{self.kind.lower()}"


class Reviewer:
    """Answers reviews by path. `registry` and `generators`: what this version serves."""

    def __init__(self, registry: Registry | None = None, generators: GeneratorKinds | None = None) -> None:
        stores, generators = registry or Registry(), generators or GeneratorKinds()
        judges = [
            Endpoint(GROUP, "v1", "ExternalSecret", partial(external_secret, external_secret_refusals)),
            Endpoint(GROUP, "v1beta1", "ExternalSecret", partial(external_secret, external_secret_refusals_beta)),
            Endpoint(GROUP, "v1alpha1", "PushSecret", push_secret),
            Endpoint(GENERATORS_GROUP, "v1alpha1", CLUSTER_GENERATORS.kind, partial(cluster_generator, generators)),
        ]
        for kind in ("SecretStore", "ClusterSecretStore"):
            judges.append(Endpoint(GROUP, "v1", kind, partial(store, kind, stores)))
            judges.append(Endpoint(GROUP, "v1beta1", kind, partial(store_beta, kind, stores)))
        self._endpoints: Mapping[str, Endpoint] = {one.path: one for one in judges}

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self._endpoints)

    def review(self, path: str, body: bytes) -> bytes:
        """The answer to one review. Raises KeyError for a path that nothing is served under."""
        endpoint = self._endpoints[path]
        try:
            given = _review.decode(body)
        except NOT_READABLE as error:
            return answer("", "", Unfit(400, f"unable to decode the request: {said(error)}"))
        request = given.request or _Request()
        if (given.kind or "AdmissionReview") != "AdmissionReview" or (given.apiVersion or REVIEWS[0]) not in REVIEWS:
            text = f"unable to decode the request: no kind {given.kind!r} of {given.apiVersion!r} is known here"
            return answer("", request.uid, Unfit(400, text))
        return answer(given.apiVersion, request.uid, verdict(endpoint, request))


def verdict(endpoint: Endpoint, request: _Request) -> Verdict:
    if request.operation in ("DELETE", "CONNECT"):
        return Admitted()
    if request.operation not in ("CREATE", "UPDATE"):
        return Unfit(400, f'unknown operation "{request.operation}"')
    if (request.kind.group, request.kind.version, request.kind.kind) != (
        endpoint.group,
        endpoint.version,
        endpoint.kind,
    ):
        text = f"{request.kind.group}/{request.kind.version}, Kind={request.kind.kind} is not judged here"
        return Unfit(400, f"unable to decode the object: {text}")
    if bytes(request.object) == b"null":
        return Unfit(400, "there is no content to decode")
    try:
        return endpoint.judge(request.object, request.namespace)
    except NOT_READABLE as error:
        return Unfit(400, said(error))
    except Exception as error:  # a bug of ours costs this one object an answer; its text may quote the object
        return Unfit(500, f"the object cannot be judged: {type(error).__name__}")


def said(error: BaseException) -> str:
    """The text of a decoder names a path and types only; that of any other error may quote the object."""
    match error:
        case msgspec.MsgspecError() | DurationError():
            return str(error)
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return "it is no JSON"


def leaving(meta: ObjectMeta) -> bool:
    """Whether the object is being deleted. All that can still change are its finalizers, and they have to go."""
    return meta.deletion_timestamp is not None


def external_secret(refusals: Callable[[ExternalSecretSpec], list[str]], raw: msgspec.Raw, namespace: str) -> Verdict:
    match decode_external_secret(raw):
        case ExternalSecret(metadata=meta) | Undecodable(metadata=meta) if leaving(meta):
            return Admitted()
        case Undecodable(error=error):
            return Unfit(400, error)
        case ExternalSecret(spec=spec):
            if text := undecodable(spec):
                return Unfit(400, text)
            return refused_by(refusals(spec))


def push_secret(raw: msgspec.Raw, namespace: str) -> Verdict:
    match decode_push_secret(raw):
        case PushSecret(metadata=meta) | Undecodable(metadata=meta) if leaving(meta):
            return Admitted()
        case Undecodable(error=error):
            return Unfit(400, error)
        case PushSecret(spec=spec):
            try:
                _ = spec.interval_seconds
            except DurationError as error:
                return Unfit(400, str(error))
            return refused_by(list(data_to_refusals(spec)))


def cluster_generator(kinds: GeneratorKinds, raw: msgspec.Raw, namespace: str) -> Verdict:
    """Of the other generators the schema says all that can be said."""
    found = msgspec.json.decode(raw, type=_ClusterGenerator)
    if leaving(found.metadata):
        return Admitted()
    try:
        of_cluster({"spec": found.spec}, kinds)
    except EsoError as error:
        return Refused(str(error).removeprefix(f"{UNRESOLVED}terminal error: "))
    return Admitted()


def refused_by(texts: list[str]) -> Verdict:
    return Refused("\n".join(texts)) if texts else Admitted()


def store(kind: str, registry: Registry, raw: msgspec.Raw, namespace: str) -> Verdict:
    match decode_secret_store(raw):
        case SecretStore(metadata=meta) | Undecodable(metadata=meta) if leaving(meta):
            return Admitted()
        case Undecodable(error=error):
            return Unfit(400, error)
        case SecretStore() as record:
            if faults := regex_faults(record.spec):
                return refused_by(faults)
            try:
                key, block = check_store(record)
                spec = registry.spec(key, record.name)
            except EsoError as error:
                return Refused(str(error))
            told = maintenance_warnings(record.name, maintained=spec.maintained)
            return checked(registry, view(kind, key, block, record, namespace), told)


def store_beta(kind: str, registry: Registry, raw: msgspec.Raw, namespace: str) -> Verdict:
    match decode_secret_store(raw):
        case SecretStore(metadata=meta) | Undecodable(metadata=meta) if leaving(meta):
            return Admitted()
        case Undecodable(error=error):
            return Unfit(400, error)
        case SecretStore() as record:
            if faults := regex_faults(record.spec):
                return refused_by(faults)
            try:
                key, block = provider_of(record)
                return checked(registry, view(kind, key, block, record, namespace), [])
            except EsoError as error:
                return Refused(str(error))


def view(kind: str, key: str, block: Mapping[str, Any], record: SecretStore, namespace: str) -> StoreView:
    """A store as its provider sees it; the path says of which kind it is."""
    meta = record.metadata
    where = "" if kind == "ClusterSecretStore" else meta.namespace or namespace
    return StoreView(
        kind, meta.name, where, key, block, meta.uid, meta.generation, retry_settings=record.spec.retry_settings
    )


def checked(registry: Registry, seen: StoreView, told: list[str]) -> Verdict:
    """The provider's own rules; `told` are the warnings that stand beside its own, also where it refuses. Raises
    Unsupported."""
    spec = registry.spec(seen.provider, seen.name)
    try:
        return Admitted((*spec.check(seen), *told))
    except EsoError as error:
        return Refused(str(error), tuple(told))
    except Exception as error:  # a bug in one provider; the text of its error may quote the spec
        return Unfit(500, f"the provider {seen.provider} cannot check the store: {type(error).__name__}")


def answer(api_version: str, uid: str, given: Verdict) -> bytes:
    """The review that goes back, in the version that was asked in."""
    status: dict[str, Any] = {"metadata": {}}
    warnings: tuple[str, ...] = ()
    match given:
        case Admitted(warnings):
            status["code"] = 200
        case Refused(message, warnings):
            status |= {"message": shortened(message), "reason": "Forbidden", "code": 403}
        case Unfit(code, message):
            status |= {"message": shortened(message), "code": code}
    response: dict[str, Any] = {"uid": uid, "allowed": isinstance(given, Admitted), "status": status}
    if warnings:
        response["warnings"] = list(warnings)
    return msgspec.json.encode(
        {"kind": "AdmissionReview", "apiVersion": api_version or REVIEWS[0], "response": response}
    )


def shortened(message: str) -> str:
    """The message as JSON can hold it; of one that is too long its first lines."""
    if len(message) > MAX_MESSAGE:
        head = message[:MAX_MESSAGE]
        message = f"{head.rpartition(chr(10))[0] or head}\n… and more, {len(message)} characters in all"
    return text.shown(message)
