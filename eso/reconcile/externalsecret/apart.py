"""The desks that compute for an ExternalSecret, and how one of them runs in a process that can be killed.

Neighbours: compose.py asks for a Desk to be run; `runtime.pool` runs it, its workers import this module for CALLS.
"""

from __future__ import annotations

import codecs
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from eso.api.externalsecret import ExternalSecret, Template
from eso.errors import EsoError, Terminal
from eso.providers.contract import SecretNotFound
from eso.reconcile.externalsecret.assemble import Assembled, Raw, assemble, proven_missing
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Nothing, Patch
from eso.reconcile.externalsecret.readplan import Read
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.externalsecret.target import Before, kind_of
from eso.reconcile.kit.desk import Desk, Ended, Processes, reply_of, sealed, unsealed
from eso.runtime.pool import parcel
from eso.template import LIMITS, Limits, jinja
from eso.template.apply import Sources, Terms, rolls_dice

T = TypeVar("T")
Results = list[tuple[Read, Raw]]


def assembling(results: Results, skip_missing: bool) -> Desk[Assembled]:
    return Desk("assemble", _assemble, (results, skip_missing))


def changing(
    es: ExternalSecret, before: Before, data: Mapping[str, bytes], sources: Sources, terms: Terms
) -> Desk[Change]:
    return Desk("change", _change, (es, before, data, sources, terms))


def rolling(template: Template | None, sources: Sources, terms: Terms) -> Desk[bool]:
    return Desk("rolls", _rolls, (template, sources, terms))


def _assemble(results: Results, skip_missing: bool, limits: Limits) -> Assembled:
    return assemble(results, skip_missing=skip_missing, limits=limits)


def _change(
    es: ExternalSecret, before: Before, data: Mapping[str, bytes], sources: Sources, terms: Terms, limits: Limits
) -> Change:
    return kind_of(es).desired(es, before, data, sources, replace(terms, limits=limits))


def _rolls(template: Template | None, sources: Sources, terms: Terms, limits: Limits) -> bool:
    return rolls_dice(template, sources, terms)


DESKS: Final[Mapping[str, Callable[..., Any]]] = {"assemble": _assemble, "change": _change, "rolls": _rolls}
STAGES: Final = {"assemble": Stage.FETCH, "change": Stage.RENDER, "rolls": Stage.RENDER}
"""Where a pass stands while the desk runs."""


# on the operator's side


class Apart:
    """An `Offload` that runs each desk in a process of its namespace."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def __call__(self, namespace: str, desk: Desk[T], limits: Limits) -> T:
        """Raises Failed: what the desk raises, or that it was ended by its deadline or its memory."""
        try:
            reply = await reply_of(self._processes, namespace, desk, partial(packed, desk, limits), limits)
        except Ended as error:
            raise Failed(STAGES[desk.name], f"could not compute the target: {error}", fix=error.fix) from error
        made: T = unpacked(desk.name, reply, limits)
        return made


def packed(desk: Desk[Any], limits: Limits) -> list[bytes]:
    arguments = desk.arguments
    if desk.name == "assemble":
        results, skip_missing = arguments
        arguments = ([(read, portable(raw)) for read, raw in results], skip_missing)
    return parcel((arguments, limits))


def portable(raw: Raw) -> Raw:
    """An error without its cause, which does not travel: a proven absence, or what any other failure comes to."""
    if not isinstance(raw, EsoError):
        return raw if isinstance(raw, bytes) else dict(raw)
    if proven_missing(raw):
        return SecretNotFound(str(raw), fix=raw.fix)
    return (EsoError if raw.retryable else Terminal)(str(raw), fix=raw.fix)


CHANGES: Final[dict[str, type[Any]]] = {kind.__name__: kind for kind in (Create, Patch, Nothing, Delete)}


def unpacked(name: str, reply: bytes, limits: Limits = LIMITS) -> Any:
    """What the desk returned; what it spent is gone for the pass. Raises Failed, also for a reply that is none."""
    try:
        kind, content = unsealed(reply, limits)
        match kind:
            case "Failed":
                stage, message, fix, retryable = content
                raise Failed(Stage(stage), str(message), fix=str(fix), retryable=bool(retryable))
            case "Assembled":
                return msgspec.convert(content, Assembled)
            case "bool":
                return bool(content)
            case _:
                return msgspec.convert(content, CHANGES[kind])
    except (msgspec.MsgspecError, KeyError, ValueError, TypeError) as error:
        raise Failed(STAGES[name], f"could not compute the target: {type(error).__name__} in the reply") from None


# on the worker's side


def served(name: str) -> Callable[[bytes], bytes]:
    def call(body: bytes) -> bytes:
        arguments, limits = pickle.loads(body)
        return sealed(*tried(name, arguments, limits), limits)

    return call


def tried(name: str, arguments: tuple[Any, ...], limits: Limits) -> tuple[str, Any]:
    try:
        made = DESKS[name](*arguments, limits)
    except Failed as error:
        return "Failed", (error.stage.value, str(error), error.fix, error.retryable)
    except EsoError as error:
        return "Failed", (STAGES[name].value, str(error), error.fix, error.retryable)
    return type(made).__name__, made


CALLS: Final = {name: served(name) for name in DESKS}
_ZONES: list[ZoneInfo] = []


def warm() -> None:
    """What would be imported or opened at its first use: a worker can open nothing."""
    jinja.warm()
    import_module("eso.reconcile.kit.texts")  # sources of templates arrive as its type
    import_module("eso.template.gotemplate")  # with all functions; the operator imports it with the first template
    for codec in ("ascii", "idna", "latin-1", "punycode", "utf-16-be", "utf-16-le", "utf-8-sig"):
        codecs.lookup(codec)
    _ZONES.extend(ZoneInfo(name) for name in available_timezones())
