"""README and docs: the API server takes each manifest, each fragment is YAML, each link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness.cluster import REPO, Cluster

pytestmark = pytest.mark.real
PAGES = [REPO / "README.md", REPO / "SECURITY.md", *sorted((REPO / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if page.exists()]
BLOCK = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
OURS = ("external-secrets.io/", "generators.external-secrets.io/")


def documents(page: Path) -> Iterator[Any]:
    for block in BLOCK.findall(page.read_text()):
        yield from (one for one in yaml.safe_load_all(block) if one is not None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_the_manifests_of_a_page_are_taken(cluster: Cluster, namespace: str, page: Path) -> None:
    for one in documents(page):
        if isinstance(one, dict) and one.get("apiVersion", "").startswith(OURS):
            one["metadata"].pop("namespace", None)
            words = ["apply", "--server-side", "--dry-run=server", "-n", namespace, "-f", "-"]
            cluster.kubectl(*words, input=yaml.safe_dump(one).replace("CA_BUNDLE", "Q0E="))  # a reader's to fill in


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []
