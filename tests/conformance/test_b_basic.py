"""B. Basic synchronisation and status."""

from __future__ import annotations

from tests.conformance.conftest import Case


def test_c_020_simple_sync(live: Case):
    live.external_secret()
    ready = live.synced()
    assert (ready["reason"], ready["message"]) == ("SecretSynced", "secret synced")
    assert live.secret() == {"targetProperty": "some-value"}
    assert live.raw_secret()["type"] == "Opaque"
