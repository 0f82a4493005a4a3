"""What is computed for a PushSecret in a process of its own is what is computed here, and a worker's word is not
believed."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import Template
from eso.api.meta import ObjectMeta
from eso.api.pushsecret import PushSecret, PushSecretSpec
from eso.api.secretstore import SecretStore
from eso.app import calls
from eso.errors import EsoError
from eso.providers.contract import Source
from eso.reconcile.kit.desk import Desk
from eso.reconcile.pushsecret.apart import CALLS, Apart, planning, rendering, unpacked
from eso.reconcile.pushsecret.look import Failed, Looker, PushSettings
from eso.reconcile.pushsecret.sources import Read
from eso.runtime.clock import SystemClock
from eso.runtime.pool import OutOfTime, Pool
from eso.template import LIMITS, Limits, apply
from eso.template.apply import DEFAULT_TERMS

SOURCE = Source({"a": b"1", "b": b"\xff"}, "name", "ns", "Opaque", {"l": "1"}, {"n": "2"})
STORE = SecretStore(ObjectMeta(name="s", namespace="ns", labels={"x": "y"}))
SPEC = msgspec.convert(
    {
        "dataTo": [
            {"storeRef": {"name": "s"}},
            {"storeRef": {"name": "s"}, "remoteKey": "all", "metadata": {"m": [1]}},
        ],
        "data": [{"match": {"secretKey": "a", "remoteRef": {"remoteKey": "k", "property": "p"}}}],
    },
    PushSecretSpec,
)


def render(text: str, engine: str = "v2") -> Desk[Source]:
    template = Template(data={"t": text}, engine_version=engine, type="x")
    return rendering(template, SOURCE, {}, DEFAULT_TERMS)


class Here:
    """A pool without processes; `reply` replaces what it would say."""

    def __init__(self, reply: bytes | None = None, error: EsoError | None = None) -> None:
        self.reply, self.error = reply, error

    async def run(self, namespace: str, name: str, body: Callable[[], list[bytes]], seconds: float, *_: Any) -> bytes:
        if self.error is not None:
            raise self.error
        return CALLS[name](b"".join(body())) if self.reply is None else self.reply


@pytest.mark.parametrize(
    "desk",
    [
        pytest.param(render("{{ .a }}!"), id="a template"),
        pytest.param(planning(SPEC, STORE, SOURCE), id="a plan"),
    ],
)
async def test_apart_gives_the_same(desk: Desk[Any]) -> None:
    assert await Apart(Here())("ns", desk, LIMITS) == desk(LIMITS)


@pytest.mark.parametrize(
    "desk",
    [
        pytest.param(render("{{ .nope }}"), id="a template"),
        pytest.param(planning(msgspec.structs.replace(SPEC, data=SPEC.data * 2), STORE, SOURCE), id="a plan"),
    ],
)
async def test_apart_fails_in_the_same_words(desk: Desk[Any]) -> None:
    with pytest.raises(EsoError) as here:
        desk(LIMITS)
    with pytest.raises(EsoError) as there:
        await Apart(Here())("ns", desk, LIMITS)
    assert (str(there.value), there.value.retryable) == (str(here.value), here.value.retryable)


async def test_a_process_that_was_ended_is_named_as_a_limit() -> None:
    with pytest.raises(EsoError) as told:
        await Apart(Here(error=OutOfTime("x")))("ns", render("x"), LIMITS)
    assert str(told.value) == "could not compute what is pushed: template exceeds the limit of 10 seconds"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(pickle.dumps(SOURCE), id="a pickle"),
        pytest.param(msgspec.msgpack.encode(("Source", ({"a": 1}, {}, {}, ""), 0)), id="another type"),
        pytest.param(msgspec.msgpack.encode(("Planned", [1], 0)), id="no entries"),
        pytest.param(msgspec.msgpack.encode(("Other", (), 0)), id="another kind"),
    ],
)
def test_a_reply_that_is_none_is_a_failure(reply: bytes) -> None:
    with pytest.raises(EsoError, match=r"could not compute what is pushed: .* in the reply"):
        unpacked(render("x"), reply)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool("eso.app.calls", SystemClock())
    yield made
    made.close()


async def test_a_real_process_renders_both_engines(pool: Pool) -> None:
    apart = Apart(pool)
    for desk in (render("{{ .a }}!"), render("{{ a }}!", "jinja2")):
        made = await apart("ns", desk, LIMITS)
        assert (made.data["t"], made.data["b"], made.name, made.type) == (b"1!", b"\xff", "name", "x")


async def test_a_template_that_never_ends_is_ended(pool: Pool) -> None:
    desk = render("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "jinja2")
    with pytest.raises(EsoError, match="exceeds the limit of"):
        await Apart(pool)("ns", desk, Limits(seconds=0.5))


def test_every_room_is_served() -> None:
    assert set(CALLS) < set(calls.CALLS)


@pytest.mark.parametrize("text", ["{{ range until 100 }}x{{ end }}", "{{ range until 900 }}x{{ end }}"])
@pytest.mark.parametrize(("sources", "fits"), [(3, True), (100, False)])
async def test_all_computations_of_a_pass_spend_from_one_account(text: str, sources: int, fits: bool) -> None:
    """Cheap ones, which run on the loop, and the others alike."""
    reader: Any = SimpleNamespace(templates=no_templates)
    terms = replace(DEFAULT_TERMS, limits=replace(LIMITS, pass_steps=8_000))
    nothing: Any = None
    looker = Looker(nothing, reader, Apart(Here()), PushSettings(terms=terms))
    ps = PushSecret(
        metadata=ObjectMeta(name="ps", namespace="ns"),
        spec=msgspec.structs.replace(SPEC, template=Template(data={"t": text})),
    )
    read = Read(tuple(replace(SOURCE, name=f"s{n}") for n in range(sources)))
    limits = terms.limits.of_pass()
    assert limits.account is not None
    if fits:
        made, _ = await looker.rendered(ps, read, limits)
        assert len(made) == sources and 0 < limits.account.left < 8_000
    else:
        with pytest.raises(Failed):
            await looker.rendered(ps, read, limits)
        assert limits.account.left == 0


async def no_templates(_: PushSecret) -> tuple[dict[Any, Any], tuple[Any, ...]]:
    return {}, ()


async def test_a_pass_that_has_spent_everything_asks_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of plans each would be asked for there, to fail there as well."""
    monkeypatch.setattr(apply, "CHEAP", replace(apply.CHEAP, seconds=60.0))
    asked: list[str] = []

    async def offload(namespace: str, desk: Any, limits: Limits) -> Any:
        asked.append(namespace)

    nothing: Any = None
    looker = Looker(nothing, nothing, offload, PushSettings())
    limits = LIMITS.of_pass()
    assert limits.account is not None
    limits.account.left = 10
    wanted = PushSecret(ObjectMeta(name="ps", namespace="ns"))
    store = SecretStore(ObjectMeta(name="s", namespace="ns"))
    jobs, wrong = await looker.plan(wanted, [store], [Source({"a": b"1"})] * 3, limits)
    assert asked == [] and jobs == {"SecretStore/s": []} and "exceeds the limit" in str(wrong["SecretStore/s"])
