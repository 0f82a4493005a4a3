"""BeyondtrustWorkloadCredentialsDynamicSecret: temporary AWS credentials from BeyondTrust Workload Credentials.

Neighbours: registry.py names it; the login is that of the provider, in eso.providers.kit.workloadcredentials. A state
is written as in the reference, though nothing can be taken back: the credentials end by themselves.
"""

from __future__ import annotations

from typing import ClassVar, Final
from urllib.parse import quote

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit.http import call, message_in, object_in
from eso.net.http import Reply
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.providers.kit import workloadcredentials
from eso.providers.kit.http import segment

CLIENT: Final = "failed to create BeyondtrustWorkloadCredentials client: "
FAILED: Final = "unable to generate dynamic secret: "
DOCS: Final = "see https://docs.beyondtrust.com/bt-docs/docs/secrets-api"
KEYS: Final = ("accessKeyId", "secretAccessKey", "leaseId", "expiration")


class Beyondtrust(Stateless):
    kind: ClassVar[str] = "BeyondtrustWorkloadCredentialsDynamicSecret"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        block: Json = spec_of(resource).get("provider") or {}
        if not block:
            raise GeneratorFailed("no beyondtrustworkloadcredentials provider config in spec", fix="set spec.provider")
        path = str(block.get("folderPath") or "")
        folder, name = split(path)
        try:
            base = workloadcredentials.base(block)
            sent = await workloadcredentials.headers(block, credentials)
            ca = await credentials.ca_bundle(block)
        except EsoError as error:
            raise GeneratorFailed(f"{CLIENT}{error}", fix=error.fix) from error
        query = f"?folder={quote(folder, safe='')}" if folder else ""
        url = f"{base}/dynamic/{segment(name)}/generate{query}"
        reply = await call(env, "POST", url, sent, ca=ca)
        if reply.status not in (200, 201):
            raise GeneratorFailed(f'{FAILED}{refused(reply)} at path "{folder or "/"}" ({DOCS})')
        found = object_in(reply, FAILED).get("secret")
        if not isinstance(found, dict):
            raise GeneratorFailed(f'{FAILED}unexpected response at path "{folder or "/"}"')
        values = {key: str(found.get(key) or "").encode() for key in KEYS}
        if found.get("sessionToken"):
            values["sessionToken"] = str(found["sessionToken"]).encode()
        return Generated(values, {"path": path})


def split(path: str) -> tuple[str, str]:
    """The folder, "" for none, and the name of the secret. Raises GeneratorFailed."""
    if not path:
        raise GeneratorFailed("path is required in spec", fix="set spec.provider.folderPath")
    folder, _, name = path.rpartition("/")
    if not name:
        raise GeneratorFailed(f'invalid path: missing secret name in "{path}"')
    return folder, name


def refused(reply: Reply) -> str:
    """The server's own words; a reply without them is not shown."""
    words = [text for text in (message_in(reply, "error"), message_in(reply, "message")) if text]
    return f"API error (HTTP {reply.status}){''.join(f': {text}' for text in words)}"


GENERATOR: Final = Beyondtrust()
