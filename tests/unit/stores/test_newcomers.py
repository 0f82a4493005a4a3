"""Objects that use a store which was never validated wait for its first answer, ten seconds at most."""

from __future__ import annotations

import pytest

from eso.stores.gate import Waiting
from eso.stores.resolve import NotReady
from tests.unit.stores.backends import World, store
from tests.unit.stores.test_reader import read, running


def fresh(validating: tuple[str, ...] = ("SecretStore",)) -> World:
    world = World(validating=validating)
    world.add(store(ready=False))
    return world


async def test_a_key_waits_at_a_gate_that_opens_with_the_first_validation() -> None:
    async with running(fresh()) as world:
        with pytest.raises(Waiting, match="the store has not been validated yet") as waiting:
            await read(world)
        gate = waiting.value.gate
        assert gate == "store:SecretStore/team-a/main"
        assert waiting.value.epoch == world.gates.epoch(gate)
        world.parked[gate] = 2
        world.add(store())
        assert world.parked[gate] == 0
        assert world.gates.epoch(gate) != waiting.value.epoch
        assert await read(world) == b"hunter2"


async def test_after_ten_seconds_the_store_counts_as_not_ready() -> None:
    async with running(fresh()) as world:
        with pytest.raises(Waiting) as waiting:
            await read(world)
        world.parked[waiting.value.gate] = 1
        await world.clock.advance(9.0)
        with pytest.raises(Waiting):
            await read(world)
        await world.clock.advance(2.0)
        assert world.parked[waiting.value.gate] == 0
        with pytest.raises(NotReady):
            await read(world)
        assert waiting.value.gate not in world.gates.states()


async def test_a_store_that_goes_meanwhile_lets_its_keys_out() -> None:
    async with running(fresh()) as world:
        with pytest.raises(Waiting) as waiting:
            await read(world)
        world.parked[waiting.value.gate] = 1
        del world.stores["SecretStore", "team-a", "main"]
        world.reader.store_changed("SecretStore", "team-a", "main")
        assert world.parked[waiting.value.gate] == 0


async def test_another_store_of_the_name_has_ten_seconds_of_its_own() -> None:
    async with running(fresh()) as world:
        with pytest.raises(Waiting):
            await read(world)
        await world.clock.advance(11.0)
        world.add(store(ready=False, uid="another"))
        with pytest.raises(Waiting):
            await read(world)


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(fresh(()), id="stores of the kind are not validated here"),
        pytest.param(fresh(("ClusterSecretStore",)), id="the other kind is"),
    ],
)
async def test_without_a_validation_to_wait_for_the_store_is_not_ready_at_once(world: World) -> None:
    async with running(world):
        with pytest.raises(NotReady):
            await read(world)
