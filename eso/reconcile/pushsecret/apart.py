"""The desks that compute for a PushSecret, and how one of them runs in a process that can be killed.

Neighbours: look.py asks for a Desk to be run; `runtime.pool` runs it, its workers import this module for CALLS.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from eso.api.externalsecret import Template
from eso.api.meta import ObjectMeta
from eso.api.pushsecret import PushData, PushSecretSpec
from eso.api.secretstore import SecretStore
from eso.errors import EsoError, Terminal
from eso.providers.contract import Source
from eso.reconcile.kit.desk import Desk, Ended, Processes, reply_of, sealed, unsealed
from eso.reconcile.pushsecret.plan import Planned, planned
from eso.runtime.pool import parcel
from eso.template import LIMITS, Limits
from eso.template.apply import Sources, Terms, apply

T = TypeVar("T")
RENDER, PLAN = "push: render", "push: plan"


def rendering(template: Template, source: Source, texts: Sources, terms: Terms) -> Desk[Source]:
    """The source with what the template adds to it; every template sees the original data."""
    return Desk(RENDER, _render, (template, source, dict(texts), terms))


def planning(spec: PushSecretSpec, store: SecretStore, source: Source) -> Desk[list[Planned]]:
    """The entries for one store, of which only name and labels travel."""
    meta = store.metadata
    known = SecretStore(ObjectMeta(name=meta.name, namespace=meta.namespace, labels=meta.labels))
    return Desk(PLAN, planned, (spec, known, source))


def _render(template: Template, source: Source, texts: Sources, terms: Terms, limits: Limits) -> Source:
    parts = apply(
        template,
        source.data,
        texts,
        source.data,
        labels=source.labels,
        annotations=source.annotations,
        terms=replace(terms, limits=limits),
    )
    return replace(source, data=parts.data, labels=parts.labels, annotations=parts.annotations, type=parts.type)


DESKS: Final[Mapping[str, Callable[..., Any]]] = {RENDER: _render, PLAN: planned}


# on the operator's side


class NotComputed(EsoError):
    """The desk raised, or its process was ended."""


class NeverComputed(Terminal):
    """The same, where only an edit can help."""


class Apart:
    """Runs each desk in a process of its namespace."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def __call__(self, namespace: str, desk: Desk[T], limits: Limits) -> T:
        """Raises what the desk raises, or that it was ended by its deadline or its memory."""
        body = partial(parcel, (desk.arguments, limits))
        try:
            reply = await reply_of(self._processes, namespace, desk, body, limits)
        except Ended as error:
            raise NotComputed(f"could not compute what is pushed: {error}", fix=error.fix) from error
        made: T = unpacked(desk, reply, limits)
        return made


def packed(made: Source | Sequence[Planned]) -> tuple[str, Any]:
    if isinstance(made, Source):
        return "Source", (made.data, made.labels, made.annotations, made.type)
    return "Planned", [(msgspec.to_builtins(one.data), one.payload) for one in made]


def unpacked(desk: Desk[Any], reply: bytes, limits: Limits = LIMITS) -> Any:
    """What the desk returned; what it spent is gone for the pass. Raises NotComputed or NeverComputed, also for a reply
    that is none."""
    try:
        kind, content = unsealed(reply, limits)
        match kind:
            case "Failed":
                message, fix, retryable = content
                raise (NotComputed if retryable else NeverComputed)(str(message), fix=str(fix))
            case "Source":
                data, labels, annotations, type_ = content
                source: Source = desk.arguments[1]
                return replace(
                    source,
                    data=msgspec.convert(data, dict[str, bytes]),
                    labels=msgspec.convert(labels, dict[str, str]),
                    annotations=msgspec.convert(annotations, dict[str, str]),
                    type=str(type_),
                )
            case "Planned":
                return [
                    Planned(msgspec.convert(one, PushData), msgspec.convert(payload, dict[str, bytes] | None))
                    for one, payload in content
                ]
            case _:
                raise ValueError(kind)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise NotComputed(f"could not compute what is pushed: {type(error).__name__} in the reply") from None


# on the worker's side


def served(name: str) -> Callable[[bytes], bytes]:
    def call(body: bytes) -> bytes:
        arguments, limits = pickle.loads(body)
        try:
            kind, content = packed(DESKS[name](*arguments, limits))
        except EsoError as error:
            kind, content = "Failed", (str(error), error.fix, error.retryable)
        return sealed(kind, content, limits)

    return call


CALLS: Final = {name: served(name) for name in DESKS}
