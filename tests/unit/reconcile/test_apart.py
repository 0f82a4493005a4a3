"""Desks that run in a process of their own give what they give here, and a worker's word is not believed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import StoreRef
from eso.errors import EsoError
from eso.providers.contract import Denied, SecretNotFound, Unavailable
from eso.reconcile.externalsecret.apart import CALLS, Apart, assembling, changing, packed, rolling, unpacked
from eso.reconcile.externalsecret.desired import Create
from eso.reconcile.externalsecret.readplan import One
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.externalsecret.target import Before
from eso.reconcile.kit import desk as desk_module
from eso.reconcile.kit.desk import Desk
from eso.runtime.clock import SystemClock
from eso.runtime.pool import OutOfMemory, OutOfTime, Pool
from eso.template import LIMITS
from eso.template.apply import DEFAULT_TERMS
from tests.unit.reconcile.objects import es, target

CASES = json.loads((Path(__file__).parents[1] / "template" / "templates-cases.json").read_text())
MODULE = "eso.reconcile.externalsecret.apart"


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool(MODULE, SystemClock())
    yield made
    made.close()


def change(template: str, data: dict[str, bytes], **more: Any) -> Desk[Any]:
    one = es(target=target(template={"data": {"t": template}, **more}))
    return changing(one, Before(), data, {}, DEFAULT_TERMS)


async def outcome(desk: Desk[Any], apart: Apart | None = None) -> tuple[Any, ...]:
    """With more time than there is to tenants: a machine under load takes long for an RSA key."""
    patient = replace(LIMITS, seconds=300.0)
    try:
        return ("made", await apart("ns", desk, patient) if apart is not None else desk(patient))
    except EsoError as error:
        return ("failed", error.stage if isinstance(error, Failed) else None, str(error), error.fix, error.retryable)


async def test_every_published_template_gives_the_same_in_a_worker(pool: Pool) -> None:
    """It also shows that no function needs a file, a socket or a late import."""
    apart = Apart(pool)
    for case in CASES:
        desk = change(case["template"], {key: value.encode() for key, value in case["data"].items()})
        here, there = await outcome(desk), await outcome(desk, apart)
        if here[0] == "made" and await apart(
            "ns", rolling(desk.arguments[0].spec.target.template, {}, DEFAULT_TERMS), LIMITS
        ):
            assert there[0] == "made", case["id"]
            continue
        assert there == here, case["id"]


@pytest.mark.parametrize(
    "call",
    [
        "genPrivateKey `ecdsa`",
        "genPrivateKey `ed25519`",
        "genPrivateKey `rsa`",
        "(genCA `x` 1).Cert",
        "(genSelfSignedCert `x` nil nil 1).Cert",
        "bcrypt .v",
        "htpasswd `u` .v",
        "uuidv4",
        "randAlphaNum 9",
        "encryptAES `0123456789abcdef` .v",
        "derivePassword 1 `long` `p` `u` `s`",
        "now | date `2006`",
        'toDate "2006-01-02 MST" "2024-07-01 CEST"',
        'dateInZone "15:04" now "Europe/Berlin"',
        "env `HOME`",
        "getHostByName `localhost`",
    ],
)
async def test_functions_that_roll_dice_or_look_outside_work_or_fail_alike(pool: Pool, call: str) -> None:
    desk = change("{{ " + call + " }}", {"v": b"value"})
    here, there = await outcome(desk), await outcome(desk, Apart(pool))
    assert there[0] == here[0]
    if here[0] == "failed":
        assert there == here


async def test_a_data_map_is_assembled_alike_with_its_errors(pool: Pool) -> None:
    apart, one = Apart(pool), es(data=[{"secretKey": "a", "remoteRef": {"key": "k"}}])
    entry = one.spec.data[0]
    read = One(0, StoreRef(name="s"), "a", entry.remote_ref)
    wrapped = EsoError("behind another text")
    wrapped.__cause__ = SecretNotFound()
    refused = Denied("no")
    refused.__cause__ = SecretNotFound()
    for raw in (b"value", SecretNotFound(), wrapped, refused, Unavailable("down", fix="wait"), EsoError("x")):
        for skip in (True, False):
            desk = assembling([(read, raw)], skip)
            assert await outcome(desk, apart) == await outcome(desk)


async def test_a_computation_that_holds_the_interpreter_is_ended_and_named(pool: Pool) -> None:
    class Slow:
        async def run(
            self, namespace: str, name: str, body: Callable[[], list[bytes]], seconds: float, *_: Any
        ) -> bytes:
            raise OutOfTime("the computation takes longer than 12 s")

    with pytest.raises(Failed) as failed:
        await Apart(Slow())("ns", change("x", {}), LIMITS)
    assert (failed.value.stage, failed.value.retryable) == (Stage.RENDER, True)
    assert str(failed.value) == "could not compute the target: template exceeds the limit of 10 seconds"
    assert failed.value.fix


async def test_memory_is_bounded_per_worker(pool: Pool) -> None:
    class Large:
        async def run(
            self, namespace: str, name: str, body: Callable[[], list[bytes]], seconds: float, *_: Any
        ) -> bytes:
            raise OutOfMemory("the computation needs more memory than there is")

    with pytest.raises(Failed, match="needs more memory than there is"):
        await Apart(Large())("ns", assembling([], True), LIMITS)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x80\x04.",
        msgspec.msgpack.encode(("Os", {"system": "id"}, 0)),
        msgspec.msgpack.encode(("Create", {"body": "text"}, 0)),
        msgspec.msgpack.encode(("Patch", {}, 0)),
        msgspec.msgpack.encode(("Failed", ("no stage", "x", "", True), 0)),
        msgspec.msgpack.encode(("Failed", 3, 0)),
        msgspec.msgpack.encode(["Create"]),
    ],
)
def test_a_reply_that_is_none_fails_the_pass_and_nothing_else(reply: bytes) -> None:
    with pytest.raises(Failed, match="could not compute the target"):
        unpacked("change", reply)


def test_no_value_prints_on_the_way() -> None:
    desk = change("{{ .v }}", {"v": b"hunter2"})
    assert "hunter2" not in repr(desk)
    assert packed(desk, LIMITS)


async def test_a_value_comes_back_as_it_was(pool: Pool) -> None:
    value = bytes(range(256)) * 4096
    made = await Apart(pool)("ns", change("{{ .v }}", {"v": value}), LIMITS)
    assert isinstance(made, Create)
    assert base64.b64decode(made.body["data"]["t"]) == value


async def test_namespaces_do_not_share_a_worker(pool: Pool) -> None:
    apart = Apart(pool)
    await asyncio.gather(*(apart(f"ns-{n}", change("x", {}), LIMITS) for n in range(5)))
    assert pool.started == 5


@pytest.mark.parametrize(
    ("engine", "template"),
    [
        pytest.param("jinja2", "{{ '%0500000000d' % 1 }}", id="a giant number"),
        pytest.param("jinja2", "{{ 'x' * 999999999999 }}", id="a giant string"),
        pytest.param("jinja2", "{{ ('x' * 100000000) + ('y' * 200000000) }}", id="two large strings"),
        pytest.param(
            "jinja2", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", id="a long loop"
        ),
        pytest.param("jinja2", "{{ 9 ** (9 ** 9) }}", id="a giant power"),
        pytest.param(
            "v2", "{{ range (until 100000) }}{{ range (until 100000) }}{{ end }}{{ end }}", id="a long loop in Go"
        ),
    ],
)
async def test_a_poison_template_ends_by_a_bound_and_the_next_one_renders(
    pool: Pool, engine: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "GRACE", 0.0)
    apart, limits = Apart(pool), replace(LIMITS, seconds=1.0)
    with pytest.raises(Failed, match=r"exceeds|needs more memory"):
        await apart("ns", change(template, {"x": b"1"}, engineVersion=engine), limits)
    made = await apart("ns", change("{{ user }}", {"user": b"alice"}, engineVersion="jinja2"), LIMITS)
    assert base64.b64decode(made.body["data"]["t"]) == b"alice"


class Here:
    """A pool without processes. `left`: what its worker says is left of the account."""

    def __init__(self, left: int | None = None) -> None:
        self.left = left

    async def run(self, namespace: str, name: str, body: Callable[[], list[bytes]], seconds: float, *_: Any) -> bytes:
        reply = CALLS[name](b"".join(body()))
        if self.left is None:
            return reply
        return msgspec.msgpack.encode((*msgspec.msgpack.decode(reply)[:2], self.left))


async def test_all_steps_of_a_pass_are_spent_from_one_account_in_whatever_process() -> None:
    limits, desk = LIMITS.of_pass(), change("{{ range until 1000 }}x{{ end }}", {"a": b"1"})
    assert limits.account is not None
    spent = []
    for _ in range(2):
        before = limits.account.left
        await Apart(Here())("ns", desk, limits)
        spent.append(before - limits.account.left)
    assert spent[0] == spent[1] > 1000
    limits.account.left = 500
    with pytest.raises(Failed, match="steps of one pass"):
        await Apart(Here())("ns", desk, limits)


@pytest.mark.parametrize(("says", "left"), [(10**9, 1000), (-5, 0), (7, 7)])
async def test_a_worker_cannot_give_back_what_was_spent(says: int, left: int) -> None:
    limits = LIMITS.of_pass()
    assert limits.account is not None
    limits.account.left = 1000
    await Apart(Here(says))("ns", change("x", {}), limits)
    assert limits.account.left == left
