"""The recordings of the reference's webhook, object by object, against the rules alone: quick enough to run with every
change of a provider.

Neighbours: tests/recorded/test_admission.py does the same behind a real API server, whose schema refuses some first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from eso.stores.registry import PROVIDERS
from tests.unit.admission.reviews import Answer, Json, ask

FOLDER = Path(__file__).resolve().parents[2] / "recorded" / "admission"
DENIED = " denied the request: "


def provider(given: Json) -> str:
    """Of a store, "" for any other object."""
    return next(iter(given["spec"].get("provider", {})), "") if given["kind"].endswith("SecretStore") else ""


def recorded() -> Iterator[object]:
    """(object, code and text of the refusal): all that the webhook was asked about."""
    for path in sorted(FOLDER.glob("*.yaml")):
        case: Json = yaml.load(path.read_text(), yaml.CSafeLoader)
        refusals = dict(text.split(": ", 1) for text in case["rejected"])
        for given in case["apply"]:
            name = f"{given['kind']}/{given['metadata']['name']}"
            head, denied, text = refusals.get(name, "").partition(DENIED)
            by_the_schema = bool(head) and not denied
            if not by_the_schema and (provider(given) in PROVIDERS or not provider(given)):
                code = int(head.split()[0]) if denied else 200
                yield pytest.param(given, code, text, id=f"{path.stem} {name}")


@pytest.mark.parametrize(("given", "code", "text"), list(recorded()))
def test_the_rules_say_what_was_recorded(given: Json, code: int, text: str):
    if not given["kind"].startswith("Cluster"):
        given = given | {"metadata": given["metadata"] | {"namespace": "team"}}
    found: Answer = ask(given)
    assert (found.code, found.message) == (code, text)
