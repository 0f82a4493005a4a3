"""docs/events.md: its manifests are what the CRD takes, and its limits and words are those of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from eso.api.changesource import MEMBERS, MOST_KEYS, MOST_PENDING
from eso.api.crds.changesource import auth, change_source_spec
from eso.cli.notify import EXAMPLES
from eso.notify.contract import LONGEST_WAIT, MOST_MESSAGE, MOST_MESSAGES
from eso.notify.driver import LONGEST_PAUSE
from eso.notify.limits import EVENTS
from eso.notify.queues import QUEUES
from eso.notify.server import BODY_SECONDS, MOST_BODY
from eso.notify.sqs import VISIBLE

PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def unknown(value: Any, schema: Mapping[str, Any], path: str = "spec") -> Iterator[str]:
    """Members that the schema does not have, or misses."""
    if isinstance(value, dict) and "properties" in schema:
        yield from (f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, member in value.items():
            if name not in schema["properties"]:
                yield f"{path}.{name}"
            else:
                yield from unknown(member, schema["properties"][name], f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from unknown(item, schema["items"], f"{path}[]")


def test_every_manifest_of_the_page_is_one_that_the_crd_takes():
    found = [one for block in BLOCKS for one in yaml.safe_load_all(block)]
    sources = [one["spec"] for one in found if one.get("kind") == "ChangeSource"]
    webhooks = [one["webhook"] for one in found if "webhook" in one]
    assert {member for one in sources for member in one} >= set(MEMBERS) and len(webhooks) >= 3
    schema = change_source_spec()
    assert [fault for one in sources for fault in unknown(one, schema)] == []
    assert [fault for one in webhooks for fault in unknown(one, schema["properties"]["webhook"])] == []


def test_every_way_to_prove_oneself_is_on_the_page():
    for name in auth()["properties"]:
        assert f"`{name}`" in PAGE


def test_every_queue_of_the_page_is_one_that_the_code_takes():
    found = [one["spec"] for block in BLOCKS for one in yaml.safe_load_all(block) if one.get("kind") == "ChangeSource"]
    places = [queue.endpoint(spec[queue.name]) for spec in found for queue in QUEUES if queue.name in spec]
    assert sorted(set(places)) == ["pubsub.googleapis.com", "shop.servicebus.windows.net", "sqs.eu-central-1"]


@pytest.mark.parametrize(
    "text",
    [
        f"wait {LONGEST_WAIT:.0f} s for a message",
        f"received and not taken off comes again after {VISIBLE} s",
        f"more than {MOST_MESSAGE >> 10} KiB; counted",
        f"those behind it {'ten' if MOST_MESSAGES == 10 else MOST_MESSAGES} at a time",
        f"a pause that grows to {LONGEST_PAUSE / 60:.0f} minutes",
        f"at most {MOST_BODY >> 10} KiB",
        f"more than {EVENTS[0]:.0f} events a second ({EVENTS[1]:.0f} at once), or {MOST_PENDING} keys are pending",
        f"longer than {BODY_SECONDS:.0f} s",
        {4: "up to four values"}[MOST_KEYS],
    ],
)
def test_the_limits_of_the_page_are_those_of_the_code(text: str):
    assert text in PAGE


def test_the_service_of_the_help_is_that_of_the_manifests():
    assert "service/external-secrets-events 8083" in EXAMPLES and "external-secrets-events" in PAGE
