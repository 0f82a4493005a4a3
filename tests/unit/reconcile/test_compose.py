from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.externalsecret.compose import Composer, T
from eso.reconcile.externalsecret.desired import Create, Nothing
from eso.reconcile.externalsecret.gather import Reads
from eso.reconcile.externalsecret.inputs import digest
from eso.reconcile.externalsecret.report import THEN, Then
from eso.reconcile.externalsecret.sources import SourceMissing
from eso.reconcile.externalsecret.stage import FINAL, Stage
from eso.reconcile.externalsecret.target import RESOURCE, SAID, SECRET, Before, Occasion, kind_of
from eso.reconcile.kit.desk import Desk
from eso.template import Limits
from eso.template.apply import DEFAULT_TERMS, Sources
from tests.unit.reconcile.objects import es, fails, target

DATA = {"a": b"1"}
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap"}
ROLLS, STILL = {"data": {"k": "{{ uuidv4 }}"}}, {"data": {"k": "{{ .a }}"}}


class Live:
    def __init__(self) -> None:
        self.asked: list[bool] = []

    async def before(self, es: ExternalSecret, data: Mapping[str, bytes], inputs: bytes, settle: bool) -> Before:
        self.asked.append(settle)
        return Before(None, inputs)


class Bench:
    def __init__(self, error: Exception | None = None) -> None:
        self.live, self.error, self.offloaded, self.doubtful = Live(), error, 0, list[bool]()
        reader: Any = None
        self.composer = Composer(reader, self.sources, self.offload, DEFAULT_TERMS, b"key")

    async def sources(self, es: ExternalSecret) -> Sources:
        if self.error:
            raise self.error
        return {}

    async def offload(self, namespace: str, desk: Desk[T], limits: Limits) -> T:
        self.offloaded += 1
        self.doubtful.append(desk.doubtful)
        return desk(limits)

    async def before(self, one: ExternalSecret, occasion: Occasion, data: Mapping[str, bytes] = DATA) -> Before:
        return (await self.composer.before(one, self.live, data, occasion))[0]


SAME = digest(b"key", es(target=target(template=ROLLS)), DATA, {})


@pytest.mark.parametrize(
    ("occasion", "keeps"),
    [
        pytest.param(Occasion(anew=True, written_from=SAME), False, id="a slot is due"),
        pytest.param(Occasion(anew=False, written_from=SAME), True, id="a repair from the same inputs"),
        pytest.param(Occasion(anew=False, written_from=SAME, triggered=True), True, id="a trigger, the same inputs"),
        pytest.param(Occasion(anew=False, written_from=b"other"), False, id="a repair from other inputs"),
        pytest.param(Occasion(anew=False), True, id="a repair after a restart"),
        pytest.param(Occasion(anew=False, triggered=True), False, id="a trigger after a restart: inputs may differ"),
    ],
)
async def test_when_a_template_that_rolls_dice_keeps_what_is_there(occasion: Occasion, keeps: bool):
    bench = Bench()
    assert (await bench.before(es(target=target(template=ROLLS)), occasion)).keep is keeps
    assert bench.live.asked == [not occasion.anew]


@pytest.mark.parametrize("anew", [True, False])
async def test_a_template_that_gives_the_same_each_time_may_always_be_settled_by_its_inputs(anew: bool):
    bench = Bench()
    assert not (await bench.before(es(target=target(template=STILL)), Occasion(anew))).keep
    assert bench.live.asked == [True]


@pytest.mark.parametrize(
    ("one", "data"),
    [
        pytest.param(es(target=target("None")), DATA, id="the policy None"),
        pytest.param(es(target=target(deletion="Retain")), {}, id="nothing was read, and what is there is retained"),
    ],
)
async def test_where_nothing_can_be_written_nothing_is_looked_at(one: ExternalSecret, data: dict[str, bytes]):
    bench = Bench(SourceMissing("never asked"))
    assert await bench.before(one, Occasion(), data) == Before()
    assert bench.live.asked == []


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({}, '^could not apply template: error fetching templateFrom data: configmaps "c" not found$'),
        ({"manifest": MANIFEST}, '^error fetching templateFrom data: configmaps "c" not found$'),
    ],
    ids=["a Secret", "any other kind"],
)
async def test_a_missing_source_is_a_failure_to_render(members: Any, text: str):
    with fails(Stage.RENDER, match=text) as raised:
        await Bench(SourceMissing('configmaps "c" not found', fix="create it")).before(
            es(target=target(**members)), Occasion()
        )
    assert raised.value.fix == "create it"


async def test_what_is_settled_is_not_rendered():
    bench = Bench()
    one = es(target=target(template={"data": {"k": "{{ .gone.too }}"}}))
    assert await bench.composer.change(one, Before(settled=True), DATA, {}) == Nothing()
    assert bench.offloaded == 0


async def test_a_costly_template_is_rendered_in_a_thread():
    bench = Bench()
    one = es(target=target(template={"data": {"k": '{{ genPrivateKey "ecdsa" }}'}}))
    before = await bench.before(one, Occasion())
    assert isinstance(await bench.composer.change(one, before, DATA, {}), Create)
    assert bench.offloaded == 2  # whether it rolls dice, then the rendering


def test_the_kind_of_a_target_is_decided_in_one_place():
    assert kind_of(es(target=target())) is SECRET
    assert kind_of(es(target=target(manifest=MANIFEST))) is RESOURCE


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.RACE], ids=lambda stage: stage.value)
def test_every_stage_has_words_and_an_outcome(stage: Stage):
    assert SAID[stage] and SECRET.words.said[stage] and RESOURCE.words.said[stage]
    assert (THEN[stage] in (Then.STOP, Then.GIVE_UP)) is (stage in FINAL)


def test_a_digest_takes_bytes_that_are_no_text():
    one, odd = es(), {("Secret", "s"): {"k": "\udcff"}}
    assert digest(b"key", one, DATA, odd) != digest(b"key", one, DATA, {("Secret", "s"): {"k": "x"}})


async def test_the_reader_gets_the_time_of_the_trigger(monkeypatch: pytest.MonkeyPatch):
    seen: list[float | None] = []

    class Reader:
        async def read(self, namespace: str, store: Any, ref: Any, since: float | None = None, *, urgent: bool) -> Any:
            seen.append(since)
            raise SourceMissing("no")

    reader: Reads = Reader()  # type: ignore[assignment]  # one method is enough
    bench = Bench()
    composer = Composer(reader, bench.sources, bench.offload, DEFAULT_TERMS, b"key")
    one = es(secretStoreRef={"name": "s"}, data=[{"secretKey": "a", "remoteRef": {"key": "r"}}])
    await composer.read(one, 7.5)
    await composer.read(one)
    assert seen == [7.5, None]


@pytest.mark.parametrize(("status", "doubtful"), [("True", False), ("False", True), ("", False)])
async def test_what_failed_before_is_computed_behind_others(status: str, doubtful: bool) -> None:
    bench = Bench()
    conditions = [{"type": "Ready", "status": status}] if status else []
    one = es(target=target(template={"engineVersion": "jinja2", "data": {"k": "v"}}))
    one = msgspec.structs.replace(one, status=msgspec.convert({"conditions": conditions}, type(one.status)))
    await bench.composer.change(one, Before(), DATA, {})
    assert bench.doubtful == [doubtful]
