"""The only importer of the SDK: a session that reads nothing behind our back, our pools, our errors.

Neighbours: connect.py has one Sdk for the process, login.py and the services make Apis with it. The SDK serializes,
signs and parses; it opens no connection, reads no environment, file or metadata server, and never tries again.
"""

from __future__ import annotations

import base64
import inspect
import logging
from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson
from aiobotocore.awsrequest import AioAWSResponse  # type: ignore[import-untyped]  # the SDK carries no types
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # as above
from aiobotocore.session import AioSession  # type: ignore[import-untyped]  # as above
from botocore import UNSIGNED, xform_name  # type: ignore[import-untyped]  # as above
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES  # type: ignore[import-untyped]  # as above
from botocore.credentials import CredentialResolver  # type: ignore[import-untyped]  # as above
from botocore.exceptions import (  # type: ignore[import-untyped]  # as above
    BotoCoreError,
    ClientError,
    ParamValidationError,
)
from botocore.loaders import Loader  # type: ignore[import-untyped]  # as above

from eso.errors import EsoError
from eso.net.http import Forbidden, Pool, Reply, TimedOut, Timeouts, TooLarge, TransportError, Unsendable
from eso.providers.aws.refusal import refusal
from eso.providers.contract import InvalidConfig, Malformed, Timeout, Unavailable, prefixed, turn
from eso.providers.env import Env
from eso.providers.kit.awsidentity import Keys

TIMEOUTS: Final = Timeouts(total=30.0, connect=5.0)
POOL_SECONDS: Final = 600.0  # after which connections are opened anew: the system's authorities may have changed
APPLICATION: Final = "external-secrets"  # in the user agent, as the reference says it
# service of the SDK → the variables that name its server, the reference's own first
ENDPOINTS: Final = {
    "secretsmanager": ("AWS_SECRETSMANAGER_ENDPOINT", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
    "ssm": ("AWS_SSM_ENDPOINT", "AWS_ENDPOINT_URL_SSM"),
    "acm": ("AWS_ACM_ENDPOINT", "AWS_ENDPOINT_URL_ACM"),
    "resourcegroupstaggingapi": (
        "AWS_RESOURCE_GROUPS_TAGGING_API_ENDPOINT",
        "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
    ),
    "sqs": ("AWS_SQS_ENDPOINT", "AWS_ENDPOINT_URL_SQS"),
    "sts": ("AWS_STS_ENDPOINT", "AWS_ENDPOINT_URL_STS"),
    "ecr": ("AWS_ECR_ENDPOINT", "AWS_ENDPOINT_URL_ECR"),
    "ecr-public": ("AWS_ECR_PUBLIC_ENDPOINT", "AWS_ENDPOINT_URL_ECR_PUBLIC"),
}
# Parameters whose value an answer must not bring back into a text.
SECRET_PARAMETERS: Final = ("SecretString", "SecretBinary", "Value", "WebIdentityToken", "PrivateKey", "Passphrase")

for name in ("botocore", "aiobotocore"):
    logging.getLogger(name).setLevel(logging.WARNING)  # at DEBUG they log whole requests and replies


class Api:
    """One service under one identity. `label`: the provider label of the metrics."""

    def __init__(self, raw: Any, label: str, hidden: Collection[str] = ()) -> None:
        self._raw, self._label, self._hidden = raw, label, tuple(hidden)

    async def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """One request. Raises a typed error without foreign causes: those hold bodies and headers."""
        async with turn(self._label, operation):
            return await self._call(operation, parameters)

    async def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        service = self._raw.meta.service_model.service_id
        where = f"operation error {service}: {operation}"
        try:
            answer: dict[str, Any] = await getattr(self._raw, xform_name(operation))(**parameters)
            return answer
        except ClientError as error:
            failed = self._refused(service, operation, error, self._hidden_in(parameters))
        except TransportError as error:
            failed = unsent(where, error)
        except ParamValidationError:
            failed = InvalidConfig(f"{where}, a parameter has a form that the service does not take")
        except BotoCoreError as error:
            failed = InvalidConfig(f"{where}, the SDK cannot make the request: {type(error).__name__}")
        except EsoError as error:
            failed = prefixed(f"{where}, ", error)
            failed.__cause__ = None
        except Exception as error:  # the SDK's parser meets whatever a server sends
            failed = Malformed(f"{where}, the answer cannot be read: {type(error).__name__}")
        raise failed from failed.__cause__

    def _refused(self, service: str, operation: str, error: Any, hidden: Collection[str]) -> EsoError:
        told = error.response.get("Error") or {}
        meta = error.response.get("ResponseMetadata") or {}
        status, code = int(meta.get("HTTPStatusCode") or 0), str(told.get("Code") or "Unknown")
        return refusal(
            service,
            operation,
            status,
            code,
            str(told.get("Message") or ""),
            modelled=self._raw.meta.service_model.shape_for_error_code(code) is not None,
            headers=meta.get("HTTPHeaders"),
            hidden=hidden,
        )

    def _hidden_in(self, parameters: Mapping[str, Any]) -> list[str]:
        values = [parameters[name] for name in SECRET_PARAMETERS if parameters.get(name)]
        texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]
        return [*self._hidden, *texts]


def members(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list that the answer must have, be it empty. Raises Malformed: what is left out proves nothing."""
    found = answer.get(name)
    if not isinstance(found, list):
        raise Malformed(f"the answer has no {name}")
    return found


def name_in(entry: Mapping[str, Any]) -> str:
    """What a listed entry is called. Raises Malformed: an entry that is passed over would be missing from a Secret."""
    found = entry.get("Name")
    if not isinstance(found, str) or not found:
        raise Malformed("the answer lists something without a name")
    return found


def unsent(where: str, error: TransportError) -> EsoError:
    match error:
        case TimedOut():
            return Timeout(f"{where}, {error}", connected=error.connected, fix=error.fix)
        case TooLarge():
            return Malformed(f"{where}, {error}", fix=error.fix)
        case Unsendable() | Forbidden():
            return InvalidConfig(f"{where}, {error}", fix=error.fix)
    return Unavailable(f"{where}, {error}", connected=error.connected, fix=error.fix)


class Sdk:
    """What all logins share: the SDK's session with the models it has read, and the connections.

    Made in a thread: it reads files. `environ`: variables that name servers.
    """

    def __init__(self, env: Env, environ: Mapping[str, str]) -> None:
        self._env, self._environ = env, environ
        self._session = sealed_session()
        self._bridge = bridge(self)
        self._pool: Pool | None = None
        self._opened_at = 0.0

    async def api(self, service: str, region: str, keys: Keys | None, label: str) -> Api:
        """`keys` None: the request is not signed. Raises InvalidConfig."""
        raw = await self._env.offload.run(self._made, service, region, keys)
        return Api(raw, label, [keys.token, keys.secret_key] if keys else ())

    def _made(self, service: str, region: str, keys: Keys | None) -> Any:
        """Building a client reads models and writes classes, but awaits nothing: it runs to its end in a thread."""
        config = AioConfig(
            connect_timeout=TIMEOUTS.connect,
            read_timeout=TIMEOUTS.total,
            retries={"mode": "standard", "total_max_attempts": 1},
            proxies={},  # else the SDK looks for them in the environment
            http_session_cls=self._bridge,
            user_agent_appid=APPLICATION,
            ignore_configured_endpoint_urls=True,
            use_fips_endpoint=self._switched_on("AWS_USE_FIPS_ENDPOINT"),
            use_dualstack_endpoint=self._switched_on("AWS_USE_DUALSTACK_ENDPOINT"),
            signature_version=None if keys else UNSIGNED,
        )
        given = (
            {
                "aws_access_key_id": keys.access_key,
                "aws_secret_access_key": keys.secret_key,
                "aws_session_token": keys.token or None,
            }
            if keys
            else {}
        )
        try:
            context = self._session.create_client(
                service, region_name=region, endpoint_url=self._endpoint(service), config=config, **given
            )
            return completed(context.__aenter__())
        except (BotoCoreError, ValueError) as error:
            raise InvalidConfig(f"the SDK cannot make a client for {service}: {type(error).__name__}") from None

    def _endpoint(self, service: str) -> str | None:
        for variable in (*ENDPOINTS[service], "AWS_ENDPOINT_URL"):
            if self._environ.get(variable):
                return self._environ[variable]
        return None

    def _switched_on(self, variable: str) -> bool | None:
        return True if self._environ.get(variable, "").lower() == "true" else None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        pool = await self._current_pool()
        return await pool.request(method, url, headers=headers, body=body, timeouts=TIMEOUTS)

    async def _current_pool(self) -> Pool:
        now = self._env.clock.monotonic()
        if self._pool is None or now - self._opened_at > POOL_SECONDS:
            # One pool for every identity: requests are signed one by one, the connection carries no credential.
            opened = await self._env.offload.run(self._env.pools.open, "https://amazonaws.com")
            old, self._pool, self._opened_at = self._pool, opened, now
            if old is not None:
                await old.retire()
        return self._pool

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()


def sealed_session() -> Any:
    """A session whose settings are the SDK's defaults, wherever it would look for others."""
    defaults = {
        name: (None, None, default, conversion)
        for name, (_, _, default, conversion) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    defaults["config_file"] = defaults["credentials_file"] = (None, None, None, None)
    session = AioSession(session_vars=defaults)
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    session.register_component("credential_provider", CredentialResolver(providers=[]))
    # The SDK's own decoder leaves out what is no base64, and takes the rest for the value.
    session.get_component("response_parser_factory").set_parser_defaults(blob_parser=strict_base64)
    return session


def strict_base64(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)


def bridge(sdk: Sdk) -> type:
    """A class that the SDK makes its HTTP sessions of. They send through `sdk` and hold nothing."""

    class Bridge:
        def __init__(self, **_: Any) -> None: ...

        async def __aenter__(self) -> Any:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def close(self) -> None: ...

        async def send(self, request: Any) -> Any:
            headers = {
                name: value.decode() if isinstance(value, bytes) else str(value)
                for name, value in request.headers.items()
            }
            body = request.body.encode() if isinstance(request.body, str) else request.body
            reply = await sdk.send(request.method, request.url, headers, body)
            if "X-Amz-Target" in headers and reply.status < 300:
                refuse_unreadable(reply.body)
            lowered = {name.lower(): value for name, value in reply.headers.items()}
            response = AioAWSResponse(request.url, reply.status, lowered, None)
            response._content = reply.body  # it is complete: nothing is left to be read from `raw`
            return response

    return Bridge


def refuse_unreadable(body: bytes) -> None:
    """The SDK takes a success that is no JSON for an empty answer, and an empty answer can empty a Secret. Raises
    Malformed. No body at all is the answer of operations that return nothing."""
    try:
        readable = not body or isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        readable = False
    if not readable:
        raise Malformed("the answer is no JSON object")


def completed(coroutine: Any) -> Any:
    """The result of a coroutine that waits for nothing."""
    assert inspect.iscoroutine(coroutine)
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RuntimeError("the SDK waits for something while it builds a client")
