"""AWS STS without its SDK: requests that are signed, two that are sent, keys out of its answers.

Neighbours: logins that show who they are at AWS to another server. The signer is botocore's and is loaded in a thread
by the first login that signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

from eso.errors import EsoError
from eso.net.http import Pools
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed
from eso.providers.kit import http
from eso.providers.kit.awsidentity import Keys, WebIdentity
from eso.providers.kit.http import Api, Reply

VERSION: Final = "2011-06-15"
WHO_AM_I: Final = urlencode({"Action": "GetCallerIdentity", "Version": VERSION})  # the body of that question
FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"


def regional(region: str, failed: str = "", name: str = "the region") -> str:
    """STS of a region. Raises InvalidConfig for what is no region: it becomes a host."""
    if not region.replace("-", "").isalnum() or not region.isascii():
        raise InvalidConfig(f"{failed}{name} is no region", fix="write for example eu-central-1")
    return f"https://sts.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def signed(keys: Keys, region: str, url: str, body: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The headers of a signed POST to STS, the host included. Blocks: it loads the signer once."""
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped]  # botocore carries no types
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # as above
    from botocore.credentials import Credentials  # type: ignore[import-untyped]  # as above

    headers = {"Content-Type": FORM, "Host": urlsplit(url).netloc, "Content-Length": str(len(body)), **extra}
    request = AWSRequest("POST", url, headers, body.encode())
    SigV4Auth(Credentials(keys.access_key, keys.secret_key, keys.token or None), "sts", region).add_auth(request)
    return {str(name): str(value) for name, value in request.headers.items()}


def exchanging(pools: Pools, environ: Mapping[str, str], endpoint: str, default_name: str) -> WebIdentity:
    """How `ambient_keys` exchanges the token of the operator's pod: at the operator's AWS_STS_ENDPOINT, else at
    `endpoint`. `default_name`: of the session, where the environment names none."""
    base = (environ.get("AWS_STS_ENDPOINT") or endpoint).rstrip("/")

    async def exchanged(role: str, token: str, session_name: str) -> Keys:
        asked = Api(pools.open(base), "AWS/STS", base, refuse=refuse)
        try:
            return await web_identity(asked, role, token, session_name or default_name)
        finally:
            await asked.close()

    return exchanged


async def web_identity(sts: Api, role: str, token: str, session_name: str) -> Keys:
    """Keys of `role` for a token of the cluster."""
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": VERSION,
        "RoleArn": role,
        "RoleSessionName": session_name,
        "WebIdentityToken": token,
    }
    return keys_in((await sts.send("AssumeRoleWithWebIdentity", "POST", "/", form=form)).body)


def keys_in(body: bytes) -> Keys:
    """The credentials of an STS answer. Raises Malformed."""
    found: dict[str, str] = {}
    if b"<!" not in body:  # neither doctype nor entities: STS sends none, and they could grow without end
        try:
            for node in ElementTree.fromstring(body).iter():
                found[node.tag.rpartition("}")[2]] = node.text or ""
        except ElementTree.ParseError:
            pass
    try:
        return Keys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    except KeyError:
        raise Malformed("the answer of AWS STS holds no credentials") from None


def refuse(reply: Reply) -> EsoError:
    """STS answers a refused credential with 400 or 403."""
    shown = f"AWS STS answered {reply.status}"
    if 400 <= reply.status < 500 and reply.status not in (408, 429):
        return AuthRejected(shown, fix="check the keys or the role, and who may assume it")
    return http.refusal(shown, reply)
