"""What every provider tells of a credential that it cannot use: nothing of what stands in it, wherever that is."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Final

from eso.errors import EsoError, causes
from tests.contract.benches import Bench, Case, Ground
from tests.contract.test_wire import read
from tests.fakes.logs import captured

CANARY: Final = "Zq9Planted"
TURNED: Final = (CANARY.lower(), CANARY[::-1].lower(), CANARY.encode().hex(), base64.b64encode(CANARY.encode())[:-2])
PARTS: Final = {
    text[at : at + 5]
    for text in (one.decode().lower() if isinstance(one, bytes) else one for one in TURNED)
    for at in range(len(text) - 4)
}
CUT: Final = {CANARY[at : at + 5] for at in range(len(CANARY) - 4)}


async def test_a_credential_that_cannot_be_used_is_told_without_a_part_of_it(case: Case, ground: Ground) -> None:
    with captured() as log:
        async with case.make(ground) as bench:
            bench.put("app", {"user": "x"})
            for name, value in list(bench.secrets.items()):
                for text in dict.fromkeys(broken(value)):
                    bench.secrets[name] = text
                    told = await outcome(bench)
                    assert not [part for part in PARTS if part in told.lower()], (name, text, told)
                bench.secrets[name] = value
    assert not [part for part in PARTS | CUT if part in log]


async def outcome(bench: Bench) -> str:
    """All that could be shown of what opening a store and reading end with."""
    client = None
    try:
        client = await bench.open()
        await read(client)
    except EsoError as error:
        return " ".join(f"{one} {one.fix}" if isinstance(one, EsoError) else str(one) for one in causes(error))
    finally:
        if client is not None:
            await client.close()
    return ""


def broken(value: str) -> Iterator[str]:
    """The value with the canary in its places, and other texts that something chokes on."""
    yield from (CANARY, f"{CANARY}\n{CANARY}", f'{{"{CANARY}": {CANARY}', f"a: *{CANARY}\n", f"\0{CANARY}\xff")
    yield f"-----BEGIN {CANARY} KEY-----\n{CANARY}\n-----END {CANARY} KEY-----\n"
    yield f"https://{CANARY}:{CANARY}@{CANARY}.invalid:{CANARY}/%zz"
    yield json.dumps({CANARY: CANARY})
    yield value[:40] + CANARY + value[40:]
    for mark in ".:;=":
        yield mark.join([CANARY] * (value.count(mark) + 1))
    try:
        tree = json.loads(value)
    except ValueError:
        tree = None
    for member in tree if isinstance(tree, dict) else ():
        for other in (CANARY, f"https://{CANARY}.invalid/{CANARY}", {CANARY: [CANARY]}):
            yield json.dumps({**tree, member: other})
    for scalar in re.findall(r":\s*([^\s\"]{4,})\s*$", value, re.MULTILINE):  # of YAML
        yield from (value.replace(scalar, CANARY), value.replace(scalar, f"https://{CANARY}.invalid"))
