"""Reading together, within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from eso.errors import EsoError
from eso.reconcile.externalsecret import gather as gather_module
from eso.reconcile.externalsecret.gather import gather
from eso.reconcile.externalsecret.readplan import read_plan
from eso.secretbytes import SecretBytes
from tests.unit.reconcile.objects import es


class Large:
    """Every value has a kilobyte. Counts what is asked for, and how much at a time."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, *_: Any, **__: Any) -> SecretBytes:
        self.asked += 1
        return SecretBytes(b"x" * 1_000)

    async def read_map(self, *_: Any, **__: Any) -> dict[str, SecretBytes]:
        return {"a": await self.read()}

    find = read_map


def entries(count: int) -> list[dict[str, Any]]:
    return [{"secretKey": f"k{n}", "remoteRef": {"key": f"r{n}"}} for n in range(count)]


async def test_results_stand_in_the_order_of_the_plan_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_module, "TOGETHER", 4)
    plan = read_plan(es(secretStoreRef={"name": "s"}, data=entries(10)))
    assert [read for read, _ in await gather(plan, Large(), "ns", None)] == list(plan)


@pytest.mark.parametrize(
    "spec",
    [
        {"data": entries(10)},
        {"dataFrom": [{"extract": {"key": f"k{n}"}} for n in range(10)]},
        {"dataFrom": [{"find": {}}] * 10},
    ],
)
async def test_a_pass_holds_only_so_much_and_asks_for_no_more(
    spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather_module, "TOGETHER", 1)
    monkeypatch.setattr(gather_module, "MOST_BYTES", 3_500)
    reader = Large()
    results = await gather(read_plan(es(secretStoreRef={"name": "s"}, **spec)), reader, "ns", None)
    assert [isinstance(result, EsoError) for _, result in results] == [False] * 3 + [True] * 7
    assert "more than 3500 bytes" in str(results[-1][1])
    assert reader.asked == 4
