"""Connectors: imported once, in a thread, by the first login; what cannot be imported fails its own stores only."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator

import pytest

from eso.providers.contract import StoreClient
from eso.stores.registry import PROVIDERS, Backend, NotLoaded, Registry, Unsupported
from tests.fakes.env import env

SPEC = PROVIDERS["fake"].spec


class Slow:
    """A module whose import takes a while, as an SDK's does."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.error: Exception | None = None


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    state = Slow()

    class Connector:
        def __init__(self, env: object) -> None:
            state.threads.append(threading.current_thread().name)
            time.sleep(0.05)
            if state.error is not None:
                raise state.error

        async def open(self, *_: object) -> StoreClient: ...  # type: ignore[empty-body]

        async def close(self) -> None: ...

    module = types.ModuleType("slow_sdk")
    module.Connector = Connector  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slow_sdk", module)
    yield state


async def test_callers_at_the_same_time_wait_for_one_import_off_the_loop(slow: Slow) -> None:
    registry, given = Registry({"slow": Backend(SPEC, "slow_sdk")}), env()
    tasks = [asyncio.ensure_future(registry.connector("slow", given)) for _ in range(5)]
    made = {id(await task) for task in tasks}
    assert len(made) == len(slow.threads) == 1
    assert slow.threads != [threading.main_thread().name]
    assert await registry.connector("slow", given) is await registry.connector("slow", given)


async def test_a_caller_that_gives_up_leaves_the_import_to_the_others(slow: Slow) -> None:
    registry, given = Registry({"slow": Backend(SPEC, "slow_sdk")}), env()
    first, second = (asyncio.ensure_future(registry.connector("slow", given)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is await registry.connector("slow", given)
    assert len(slow.threads) == 1


@pytest.mark.parametrize("error", [KeyError("hunter2"), RuntimeError("x")], ids=["KeyError", "RuntimeError"])
async def test_code_that_fails_is_told_by_its_type_and_tried_again(slow: Slow, error: Exception) -> None:
    registry, given = Registry({"slow": Backend(SPEC, "slow_sdk")}), env()
    slow.error = error
    with pytest.raises(NotLoaded, match=f"the provider slow cannot be loaded: {type(error).__name__}") as refused:
        await registry.connector("slow", given)
    assert "hunter2" not in str(refused.value)
    slow.error = None
    assert await registry.connector("slow", given)


async def test_a_missing_package_is_named() -> None:
    registry = Registry({"slow": Backend(SPEC, "a_package_that_is_not_installed")})
    with pytest.raises(NotLoaded, match="No module named 'a_package_that_is_not_installed'"):
        await registry.connector("slow", env())


def test_a_key_without_code_is_reported_with_the_name_of_the_store() -> None:
    with pytest.raises(Unsupported, match="failed to find registered store backend for type: aws, name: main"):
        Registry({}).spec("aws", "main")


@pytest.mark.parametrize("key", sorted(PROVIDERS))
async def test_every_connector_of_the_table_can_be_made(key: str) -> None:
    assert await Registry().connector(key, env())


def test_specs_bring_no_sdk_along() -> None:
    """An operator without stores of a kind does not pay for it, and the admission process never does."""
    sdks = ("hvac", "requests", "aiobotocore", "botocore", "google.auth", "azure")
    code = f"import sys, eso.stores.registry; print([m for m in {sdks!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
