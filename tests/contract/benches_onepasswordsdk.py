"""The bench of `onepasswordSDK`: a vault. The vendor's native core is replaced, so there is no wire to break.

A key that is read there names an item and a field, and one that is written an item: what is read is in the unit tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.onepasswordsdk import TOKEN, VAULT, Account, served, token


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    with served(Account()) as account:

        def put(key: str, data: Mapping[str, Any]) -> None:
            account.put(key, {name: str(value) for name, value in data.items()})

        block = {"vault": VAULT, "auth": {"serviceAccountSecretRef": {"name": "login", "key": "token"}}}
        bench = Bench(ground.whole("onepasswordSDK"), block, put, {"login/token": TOKEN})

        def rotate() -> None:
            bench.secrets["login/token"] = token(mark=str(len(account.asked)))
            account.tokens = {bench.secrets["login/token"]}

        bench.rotate = rotate
        bench.reads = bench.whole = bench.properties = bench.extracts = bench.finds = bench.trusts = False
        bench.proves_absence = False
        bench.writes, bench.merges, bench.marks = True, False, False
        yield bench
        await bench.close()


BENCHES = (Case("onepasswordSDK", made),)
