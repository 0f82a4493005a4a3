"""What the reference's webhook let through and what it refused, object by object, with its words and warnings.

Neighbours: admission/ holds the recordings. A store whose provider is not built here is refused in a way of its own,
whatever is recorded for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from e2e.harness.cluster import REPO, Api, Cluster
from e2e.harness.webhook import LocalWebhook, asked
from eso.stores.registry import PROVIDERS
from tests.recorded.case import KINDS

pytestmark = pytest.mark.real

Json = dict[str, Any]
FOLDER = Path(__file__).with_name("admission")
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
CUT = 1500  # characters of a refusal that were recorded
# row of docs/compatibility.md → what stands in an answer of ours beyond the recorded one
OURS = {"`engineVersion: jinja2`": ', "jinja2"'}


@pytest.fixture(scope="module")
def reviewed(cluster: Cluster, admission: LocalWebhook) -> Iterator[Api]:
    with asked(cluster, admission):
        yield cluster.api


class Outcome:
    """What the API server said while the objects of a case were applied, with `${NS}` for the namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self.rejected: list[str] = []
        self.warnings: set[str] = set()

    def apply(self, given: Json) -> None:
        kind, name = given["kind"], given["metadata"]["name"]
        url = self._api.credentials.server + KINDS[kind].format(ns=self._namespace) + f"/{name}"
        reply = self._api.session.patch(
            f"{url}?fieldManager=author&force=true",
            data=json.dumps(given),
            headers={"Content-Type": "application/apply-patch+yaml"},
            timeout=180,
        )
        self.warnings |= {self._neutral(one) for one in warnings_of(reply)}
        if reply.status_code >= 400:
            status = reply.json()
            said = f"{kind}/{name}: {reply.status_code} {status.get('reason', '')}: {status['message']}"
            self.rejected.append(self._neutral(said)[:CUT])

    def _neutral(self, text: str) -> str:
        for more in OURS.values():
            text = text.replace(more, "")
        return text.replace(self._namespace, "${NS}")


def test_what_is_ours_alone_is_documented():
    rows = (REPO / "docs" / "compatibility.md").read_text()
    assert all(f"\n| {row} |" in rows for row in OURS)


def warnings_of(reply: requests.Response) -> list[str]:
    """The library joins headers of one name by commas; each begins with `299 - `."""
    return [f"299 - {part.rstrip(', ')}" for part in reply.headers.get("Warning", "").split("299 - ") if part]


def unbuilt(given: Json) -> str:
    """The refusal of a store whose provider is not built here, "" for any other object."""
    providers = list(given["spec"].get("provider", {})) if given["kind"].endswith("SecretStore") else []
    if len(providers) != 1 or providers[0] in PROVIDERS:
        return ""
    kind, name = given["kind"], given["metadata"]["name"]
    hook = f'admission webhook "validate.{kind.lower()}.external-secrets.io" denied the request'
    found = f"failed to find registered store backend for type: {providers[0]}, name: {name}"
    return f"{kind}/{name}: 403 Forbidden: {hook}: {found}"


def expected(objects: list[Json], recorded: list[str], said: list[str]) -> list[str]:
    """The refusals that were recorded. That of a store that is not built here is ours, unless the schema knows its
    provider and speaks first."""
    by_name = {text.split(": ", 1)[0]: text for text in recorded}
    found = []
    for given in objects:
        was, ours = by_name.get(f"{given['kind']}/{given['metadata']['name']}", ""), unbuilt(given)
        if wanted := ours if ours and was not in said else was:
            found.append(wanted)
    return found


def test_a_store_that_is_not_built_is_expected_to_be_refused_unless_the_schema_does_it_first():
    def store(provider: str) -> Json:
        return {"kind": "SecretStore", "metadata": {"name": provider}, "spec": {"provider": {provider: {}}}}

    recorded = ["SecretStore/x: 422 Invalid: no", "SecretStore/y: 403 Forbidden: no", "SecretStore/fake: 403: no"]
    objects = [store("x"), store("y"), store("z"), store("fake"), store("vault")]
    found = expected(objects, recorded, recorded[:1])
    assert [text.split(": ")[1] for text in found] == ["422 Invalid", "403 Forbidden", "403 Forbidden", "403"]
    assert ["registered store backend" in text for text in found] == [False, True, True, False]
    assert "registered store backend" in expected(objects, recorded, [])[0]


@pytest.mark.parametrize("case", CASES)
def test_the_webhook_says_what_was_recorded(cluster: Cluster, reviewed: Api, case: str):
    recorded: Json = yaml.load((FOLDER / f"{case}.yaml").read_text(), yaml.CSafeLoader)
    namespace = cluster.create_namespace(f"r-adm-{case}")
    objects = json.loads(json.dumps(recorded["apply"]).replace("${NS}", namespace))
    outcome = Outcome(reviewed, namespace)
    try:
        for given in objects:
            outcome.apply(given)
    finally:
        for given in objects:
            if given["kind"] == "ClusterSecretStore":
                cluster.api.delete("clustersecretstores", "", given["metadata"]["name"])
        cluster.delete_namespace(namespace)
    assert outcome.rejected == expected(recorded["apply"], recorded["rejected"], outcome.rejected)
    assert sorted(outcome.warnings) == sorted(recorded.get("warnings", []))
