"""What runs is declared, locked with hashes, and the same for development and in the image."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-build.lock",
    "requirements-tools.lock",
    "e2e/go.lock",
)
WITHOUT_IMPORT = {
    "google-auth",  # its modules are loaded by name, by the first login that signs
    "kubernetes-asyncio",  # its modules are loaded by path, around its package
    "tzdata",  # zoneinfo reads its files where the system has none
}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!;\[]", name)[0]).lower()


def pins(lock: str) -> dict[str, list[str]]:
    """Distribution → its pin and hashes. A marker may be wider in one lock than in another, it is left out."""
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return {plain(entry): re.findall(r"^\S+==\S+|--hash=\S+", entry) for entry in entries if entry.strip()}


def imported(folder: Path) -> set[str]:
    """Top-level modules that are not of the standard library and not ours."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"eso"}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    declared = {plain(line) for line in PROJECT["project"]["dependencies"]}
    owners = packages_distributions()
    used = {plain(owner) for module in imported(ROOT / "eso") for owner in owners[module]}
    assert used - declared == set()
    assert declared - used - WITHOUT_IMPORT == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    found = pins(lock)
    assert found
    for pin, *hashes in found.values():
        assert "==" in pin and hashes
        assert all(value.startswith("--hash=sha256:") for value in hashes)


def test_what_runs_is_locked_alike_for_development_and_for_the_image() -> None:
    running, developing = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: developing.get(name) for name in running} == running


def test_the_image_gets_no_development_tool() -> None:
    tools = {plain(line) for line in PROJECT["project"]["optional-dependencies"]["dev"]}
    assert tools & set(pins("requirements.lock")) == set()
    assert {plain(line) for line in PROJECT["project"]["dependencies"]} <= set(pins("requirements.lock"))


def test_the_package_is_built_with_what_it_declares() -> None:
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]


def test_the_image_installs_only_what_has_a_known_hash() -> None:
    installs = re.findall(r"pip\b[^&\n]*\b(?:install|wheel)\b[^&\n]*", (ROOT / "Dockerfile").read_text())
    assert len(installs) == 4
    assert [line for line in installs if "--require-hashes" not in line and "--no-index" not in line] == []


def test_what_builds_and_tests_the_project_is_fetched_by_hash_too() -> None:
    scripts = [*(ROOT / "e2e").rglob("*.sh"), ROOT / "Makefile"]
    installs = [
        line
        for path in scripts
        for line in path.read_text().splitlines()
        if re.search(r"pip\S* install|curl|wget", line)
    ]
    assert len(installs) >= 3
    own = "--no-deps --no-build-isolation -e ."
    assert [line for line in installs if "--require-hashes" not in line and own not in line] == []
    for script in (ROOT / "e2e").rglob("build.sh"):
        assert "GOFLAGS=-mod=readonly" in script.read_text(), "modules are those of go.sum"
        assert (script.parent / "go.sum").exists()


WITHDRAWN = {
    line.strip()
    for line in (ROOT / "tests" / "unit" / "withdrawn.txt").read_text().splitlines()
    if line and not line.startswith("#")
}


def withdrawn(lock: str) -> set[str]:
    return {pin for pin in (line.split(" ")[0] for line in (ROOT / lock).read_text().splitlines()) if pin in WITHDRAWN}


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_a_version_that_is_known_to_be_withdrawn(lock: str) -> None:
    assert withdrawn(lock) == set()


def test_a_withdrawn_version_would_be_found(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("requests==2.32.0 ; python_version >= '3' \\\n    --hash=sha256:00\nurllib3==2.8.0 \\\n")
    assert withdrawn(str(lock)) == {"requests==2.32.0"}
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in WITHDRAWN)


# with which code under Apache-2.0 may be shipped together
COMPATIBLE = re.compile(r"Apache|MIT|BSD|ISC|PSF|Python Software Foundation|MPL-2\.0|Mozilla Public License 2\.0")
NAMED_OTHERWISE = re.compile(r"(?<!L)GPL|AGPL|SSPL|Business Source|Commercial|Proprietary")


def test_what_runs_may_be_shipped_under_our_license() -> None:
    seen = 0
    for name in pins("requirements.lock"):
        try:
            meta = metadata(name)
        except PackageNotFoundError:  # a marker leaves it out here
            continue
        seen += 1
        classified = [text for text in meta.get_all("Classifier") or () if text.startswith("License ::")]
        told = " ".join([meta.get("License-Expression") or meta.get("License") or "", *classified])
        assert COMPATIBLE.search(told) and not NAMED_OTHERWISE.search(told), f"{name}: {told[:200]}"
    assert seen > 40
