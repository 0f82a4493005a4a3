"""What the start of a controller imports, and what it leaves for later: each of these would delay the first Secret."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LATER = [
    "cryptography",  # templates and CA bundles
    "eso.template.functions",  # the first template
    "eso.template.evaluate",
    "hvac",  # the first store of Vault
    "aiobotocore",
    "botocore",
    "jinja2",
    "kubernetes_asyncio.client.models",  # 840 modules that nothing here uses
    "urllib3",
]


@pytest.fixture(scope="module")
def imported() -> set[str]:
    code = (
        "import json, sys; sys.modules['rich'] = None; import eso.app.lifecycle; from eso.kube.config import loaders;"
        " from eso.kube import config; config._found or loaders().incluster; print(json.dumps(sorted(sys.modules)))"
    )
    return set(json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout))


@pytest.mark.parametrize("module", LATER)
def test_a_controller_starts_without(imported: set[str], module: str):
    assert not [name for name in imported if name == module or name.startswith(f"{module}.")]


def test_what_is_left_for_later_is_there():
    """A module of that name that is gone would make the other test true for ever."""
    for module in LATER:
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, module


def test_the_http_library_trusts_nobody_by_itself_and_our_connections_trust_the_system():
    code = (
        "import ssl, eso.net.http as http, aiohttp.connector as library;"
        "theirs, ours = library._SSL_CONTEXT_VERIFIED, http.system_trust();"
        "print(theirs.verify_mode == ssl.CERT_REQUIRED, theirs.cert_store_stats()['x509'],"
        " ours.verify_mode == ssl.CERT_REQUIRED, 'set_default_verify_paths' in vars(ssl.SSLContext))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "0", "True", "False"]


UNNEEDED_BY_REVIEWS = [
    "hvac",
    "aiobotocore",
    "botocore",
    "jinja2",
    "kubernetes_asyncio",
    "google.auth",
    "eso.template.evaluate",
    "eso.kube.informer",
    "eso.stores.sessions",
]


def test_the_webhook_has_the_rules_of_all_providers_and_the_code_to_reach_none():
    """What is not imported cannot be waited for."""
    code = "import json, sys; import eso.app.webhook; print(json.dumps(sorted(sys.modules)))"
    found = set(json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout))
    assert "eso.providers.vault.spec" in found
    unneeded = [m for m in found if any(m == one or m.startswith(f"{one}.") for one in UNNEEDED_BY_REVIEWS)]
    assert unneeded == []
    assert [m for m in found if m.startswith("eso.providers.") and m.endswith((".connect", ".client"))] == []
