"""Which generation a status speaks of: `observedGeneration`, on the status and on its Ready condition, after any pass.

Additive: the reference has no such member. A tool that waits for an object may trust Ready when its generation is the
object's.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.harness.cluster import Json
from eso.errors import EsoError
from eso.providers.contract import Unavailable
from tests.conformance.conftest import Case

MORE = [{"secretKey": "targetProperty", "remoteRef": {"key": "other"}}]


def current(es: Json) -> bool | None:
    """As a waiting tool sees it: True ready, False failed, None while the status speaks of another generation."""
    generation = es["metadata"]["generation"]
    ready = next((c for c in es.get("status", {}).get("conditions", []) if c["type"] == "Ready"), {})
    if ready.get("observedGeneration") != generation or es["status"].get("observedGeneration") != generation:
        return None
    return bool(ready["status"] == "True")


def settles(case: Case, wanted: bool, generation: int) -> Json:
    def seen() -> Json:
        es = case.es()
        assert (es["metadata"]["generation"], current(es)) == (generation, wanted), es.get("status")
        return es

    found: Json = case.eventually(seen, within=20, what=f"generation {generation} is {'ready' if wanted else 'failed'}")
    return found


def test_success_edit_failure_and_success_again(live: Case):
    live.external_secret()
    settles(live, True, 1)
    live.edit_es({"spec": {"data": MORE}})
    settles(live, True, 2)
    live.provider.values = {"third": EsoError("boom")}
    live.edit_es({"spec": {"data": [{"secretKey": "k", "remoteRef": {"key": "third"}}]}})
    settles(live, False, 3)
    live.edit_es({"spec": {"data": MORE}})
    settles(live, True, 4)


def test_a_failing_object_that_is_edited_still_fails_for_its_new_generation(live: Case):
    live.provider.value = EsoError("boom")
    live.external_secret()
    before = settles(live, False, 1)["status"]["conditions"][0]
    live.edit_es({"spec": {"data": MORE}})
    after = settles(live, False, 2)["status"]["conditions"][0]
    assert after == before | {"observedGeneration": 2}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"refreshInterval": "0"}, id="interval 0"),
        pytest.param({"refreshPolicy": "CreatedOnce"}, id="CreatedOnce"),
    ],
)
def test_a_skipped_pass_says_what_it_has_seen_and_changes_nothing_else(live: Case, spec: Json):
    live.external_secret(**spec)
    before = settles(live, True, 1)
    reads = live.provider.count()
    live.edit_es({"spec": {"data": MORE}})
    after = settles(live, True, 2)
    assert live.provider.count() == reads
    unseen = {
        **after["status"],
        "observedGeneration": 1,
        "conditions": [c | {"observedGeneration": 1} for c in after["status"]["conditions"]],
    }
    assert unseen == before["status"]
    version = after["metadata"]["resourceVersion"]
    live.edit_es({"metadata": {"finalizers": ["example.com/look"]}})
    live.eventually(lambda: live.es()["metadata"]["resourceVersion"] != version)
    live.holds(lambda: live.es()["status"] == after["status"], 1.5)
    live.edit_es({"metadata": {"finalizers": None}})


@pytest.mark.parametrize(
    ("spec", "ready"),
    [
        pytest.param(
            {"target": {"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}}, False, id="generic targets are off"
        ),
        pytest.param({"target": {"creationPolicy": "Merge"}}, True, id="nothing to merge into"),
        pytest.param({"target": {"creationPolicy": "None"}}, True, id="nothing to write"),
        pytest.param(
            {
                "target": {"creationPolicy": "Merge", "deletionPolicy": "Delete"},
                "data": None,
                "dataFrom": [{"extract": {"key": "none"}}],
            },
            False,
            id="not ours to delete",
        ),
        pytest.param({"refreshInterval": "nonsense"}, False, id="a duration that is none"),
        pytest.param({"secretStoreRef": {"name": "missing"}}, False, id="no such store"),
    ],
)
def test_every_other_end_of_a_pass(live: Case, spec: dict[str, Any], ready: bool):
    live.external_secret(**spec)
    settles(live, ready, 1)
    live.edit_es({"spec": {"syncWindows": {"kind": "deny", "windows": [{"schedule": "@yearly", "duration": "1s"}]}}})
    settles(live, ready, 2)


def test_an_edit_while_the_backend_is_down_is_not_called_ready(live: Case):
    live.external_secret()
    settles(live, True, 1)
    live.provider.outage = Unavailable("down")
    live.edit_es({"spec": {"data": MORE}})
    settles(live, False, 2)
    live.edit_es({"spec": {"data": [{"secretKey": "k", "remoteRef": {"key": "third"}}]}})
    settles(live, False, 3)
    live.provider.outage = None
    settles_late(live, 3)


def settles_late(case: Case, generation: int) -> None:
    """The gate opens at its own pace."""
    case.cluster.wait_ready("externalsecrets", case.namespace, "test-es", 60)
    assert (case.es()["metadata"]["generation"], current(case.es())) == (generation, True)


def test_a_store_says_it_too(live: Case):
    def seen(generation: int) -> bool:
        store = live.api.get("secretstores", live.namespace, "test-store")
        assert store is not None
        (ready,) = store["status"]["conditions"]
        return bool(ready["observedGeneration"] == store["metadata"]["generation"] == generation)

    live.eventually(lambda: live.ready("test-store", "secretstores"))
    live.eventually(lambda: seen(1))
    live.edit("secretstores", "test-store", {"spec": {"refreshInterval": 60}})
    live.eventually(lambda: seen(2))
