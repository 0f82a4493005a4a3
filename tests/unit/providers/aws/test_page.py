"""The manifest of docs/providers/aws.md, applied through the front door of stores; every request goes through a
gate.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import yaml

from eso.api.externalsecret import ExternalSecret, StoreRef, decode_external_secret
from eso.api.secretstore import SecretStore, decode_secret_store
from eso.providers.contract import Push, Remote, RemoteRef, Source
from tests.fakes.aws import Secret
from tests.unit.providers.aws.world import World, world

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "aws.md"


def applied(w: World) -> tuple[SecretStore, ExternalSecret]:
    account, raw_store, raw_secret = yaml.safe_load_all(PAGE.read_text().split("```yaml\n")[1].split("```")[0])
    account["metadata"]["uid"] = "u"
    w.rest.objects["serviceaccounts/team-a/app"] = account
    raw_store["metadata"] |= {"uid": "uid-1", "generation": 1}
    raw_store["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    store, wanted = decode_secret_store(orjson.dumps(raw_store)), decode_external_secret(orjson.dumps(raw_secret))
    assert isinstance(store, SecretStore)
    assert isinstance(wanted, ExternalSecret)
    w.put(store)
    return store, wanted


async def test_the_manifest_of_the_page_is_served_by_one_login_and_one_request() -> None:
    async with world() as w:
        _, wanted = applied(w)
        w.server.trusted["token-of-team-a-app"] = "sts.amazonaws.com"
        w.server.secrets["team-a/database"] = Secret('{"user":"app","password":"x"}')
        refs = [RemoteRef(entry.remote_ref.key, entry.remote_ref.property) for entry in wanted.spec.data]
        store = StoreRef(name=wanted.spec.secret_store_ref.name)
        found = await asyncio.gather(*(w.stores.read("team-a", store, ref) for ref in refs))
        assert [value.reveal() for value in found] == [b"app", b"x"]
        assert w.rest.tokens == [{"namespace": "team-a", "name": "app", "audiences": ["sts.amazonaws.com"]}]
        assert w.requests == [("AWS/STS", "AssumeRoleWithWebIdentity"), ("AWS/SecretsManager", "GetSecretValue")]


async def test_every_request_of_a_write_goes_through_a_gate() -> None:
    async with world() as w:
        store, _ = applied(w)
        w.server.trusted["token-of-team-a-app"] = "sts.amazonaws.com"
        await w.stores.push("team-a", store, Push(Remote("pushed"), "k"), Source({"k": b"v"}))
        assert await w.stores.exists("team-a", store, Remote("pushed"))
        await w.stores.delete("team-a", store, Remote("pushed"))
        assert [call for _, call in w.requests] == [name for name, _ in w.server.calls]
