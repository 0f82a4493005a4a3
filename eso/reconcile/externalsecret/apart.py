"""The desks that compute for tenants, and how one of them runs in a process that can be killed.

Neighbours: compose.py asks for a Desk to be run, `runtime.pool` runs it, and its workers import this module for CALLS.
Requests are pickled, because we wrote them; replies are read as plain data, because a worker is not believed.
"""

from __future__ import annotations

import codecs
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Any, Final, Generic, Protocol, TypeVar
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
from eso.runtime.pool import parcel
from eso.template import LIMITS, Limits, jinja
from eso.template.apply import Sources, Terms, rolls_dice
from eso.template.bounds import BoundsExceeded

T = TypeVar("T")
Results = list[tuple[Read, Raw]]
GRACE: Final = 2.0  # seconds beyond the limits of a rendering, which ends itself and says why


@dataclass(frozen=True, slots=True)
class Desk(Generic[T]):
    """A computation that can travel: `name` in DESKS and its arguments; the limits come last. Arguments never print."""

    name: str
    arguments: tuple[Any, ...] = field(repr=False)
    of: str = ""  # the name of the object that it is for
    doubtful: bool = False  # that object failed before

    def __call__(self, limits: Limits) -> T:
        made: T = DESKS[self.name](*self.arguments, limits)
        return made


def assembling(results: Results, skip_missing: bool) -> Desk[Assembled]:
    return Desk("assemble", (results, skip_missing))


def changing(
    es: ExternalSecret, before: Before, data: Mapping[str, bytes], sources: Sources, terms: Terms
) -> Desk[Change]:
    return Desk("change", (es, before, data, sources, terms))


def rolling(template: Template | None, sources: Sources, terms: Terms) -> Desk[bool]:
    return Desk("rolls", (template, sources, terms))


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


class Processes(Protocol):
    """`runtime.pool.Pool`. Its errors say that the time or the memory was not enough, or that the function broke."""

    async def run(
        self,
        namespace: str,
        name: str,
        body: Callable[[], Sequence[bytes]],
        seconds: float,
        of: str = "",
        doubtful: bool = False,
    ) -> bytes: ...


class Apart:
    """An `Offload` that runs each desk in a process of its namespace."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def __call__(self, namespace: str, desk: Desk[T], limits: Limits) -> T:
        """Raises Failed: what the desk raises, or that it was ended by its deadline or its memory."""
        try:
            reply = await self._processes.run(
                namespace, desk.name, partial(packed, desk, limits), limits.seconds + GRACE, desk.of, desk.doubtful
            )
        except EsoError as error:
            why = BoundsExceeded("seconds", limits.seconds) if type(error).__name__ == "OutOfTime" else error
            raise Failed(STAGES[desk.name], f"could not compute the target: {why}", fix=SMALLER) from error
        made: T = unpacked(desk.name, reply, limits)
        return made


SMALLER: Final = "make the template, the expression or the values smaller"


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
        kind, content, left = msgspec.msgpack.decode(reply, type=tuple[str, Any, int])
        if limits.account is not None:
            limits.account.left = max(0, min(limits.account.left, left))
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
        kind, content = tried(name, arguments, limits)
        return msgspec.msgpack.encode((kind, content, limits.account.left if limits.account is not None else 0))

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
