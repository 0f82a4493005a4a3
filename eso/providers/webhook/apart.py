"""Where a webhook's templates and paths are computed: on the loop while that is cheap, else in a process that can be
killed.

Neighbours: client.py asks; `runtime.pool` runs DESKS, its workers import this module for CALLS. Requests are pickled,
because we wrote them; replies are read as plain data, because a worker is not believed.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from eso.errors import EsoError, Terminal
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.env import Env
from eso.providers.webhook import codec, render
from eso.providers.webhook.render import OutOfBounds, Rendered, Seen, Templates
from eso.runtime.memory import decoded, reserved
from eso.runtime.reply import checked
from eso.template.apply import CHEAP, LARGE, slow

RENDER, LOCATE = "webhook: render", "webhook: locate"
GRACE: Final = 2.0  # seconds beyond the limits of a rendering, which ends itself and says why
SECONDS: Final = 10.0  # for following a path
SMALLER: Final = "make the template, the path or the answer smaller"


class Apart:
    """Computes for one namespace."""

    def __init__(self, env: Env, namespace: str) -> None:
        self.env, self.namespace = env, namespace

    async def request(self, templates: Templates, seen: Seen) -> Rendered:
        """Raises InvalidConfig."""
        if not (templates.dynamic() and (templates.size() > LARGE or slow_in(templates))):
            try:
                return render.request(templates, seen, CHEAP)
            except OutOfBounds:
                pass  # again, where nobody waits for it
        made: Rendered = await self._run(RENDER, (templates, seen, render.LIMITS), render.LIMITS.seconds + GRACE)
        return made

    async def located(self, body: bytes, path: str, told: str) -> jsonenc.Value:
        """Raises Malformed, InvalidConfig."""
        async with reserved(decoded(body)):
            if codec.cheap(body, path):
                return codec.located(body, path, told)
            found: jsonenc.Value = await self._run(LOCATE, (body, path, told), SECONDS)
            return found

    async def _run(self, name: str, arguments: tuple[Any, ...], seconds: float) -> Any:
        if self.env.compute is None:
            return await self.env.offload.run_for(self.namespace, DESKS[name], *arguments)
        body = pickle.dumps(arguments, protocol=pickle.HIGHEST_PROTOCOL)
        try:
            reply = await checked(await self.env.compute.run(self.namespace, name, body, seconds))
        except EsoError as error:
            raise InvalidConfig(f"could not compute the request: {error}", fix=SMALLER) from error
        return unpacked(reply)


def slow_in(templates: Templates) -> bool:
    """Whether a function that computes for long is named."""
    texts = (templates.url, templates.body or "", templates.path, *(text for _, text in templates.headers))
    return any("{{" in text and slow().search(text) for text in texts)


DESKS: Final[Mapping[str, Callable[..., Any]]] = {RENDER: render.request, LOCATE: codec.located}
FAULTS: Final[Mapping[str, type[EsoError]]] = {
    kind.__name__: kind for kind in (InvalidConfig, Malformed, EsoError, Terminal)
}


def packed(made: Any) -> bytes:
    if isinstance(made, Rendered):
        fields = (made.url, made.headers, made.body, made.path, made.fault)
        return msgspec.msgpack.encode(("Rendered", [binary(part) for part in fields]))
    return msgspec.msgpack.encode(("Value", made))


def binary(part: Any) -> Any:
    """Texts may hold bytes that are no UTF-8."""
    if isinstance(part, str):
        return part.encode("utf-8", "surrogateescape")
    return [[binary(name), binary(text)] for name, text in part] if isinstance(part, tuple) else part


def unpacked(reply: bytes) -> Any:
    """What the desk returned. Raises what it raised, and Malformed for a reply that is none."""
    try:
        kind, content = msgspec.msgpack.decode(reply, type=tuple[str, Any])
        match kind:
            case "Failed":
                name, message, fix = content
                raise FAULTS.get(name, EsoError)(str(message), fix=str(fix))
            case "Value":
                return content
            case "Rendered":
                url, headers, body, path, fault = content
                pairs = tuple((render.text_of(name), render.text_of(text)) for name, text in headers)
                return Rendered(render.text_of(url), pairs, bytes(body), render.text_of(path), render.text_of(fault))
            case _:
                raise ValueError(kind)
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError) as error:
        raise Malformed(f"could not compute the request: {type(error).__name__} in the reply") from None


# on the worker's side


def served(name: str) -> Callable[[bytes], bytes]:
    def call(body: bytes) -> bytes:
        try:
            return packed(DESKS[name](*pickle.loads(body)))
        except EsoError as error:
            kind = next((one.__name__ for one in type(error).__mro__ if one.__name__ in FAULTS), "EsoError")
            return msgspec.msgpack.encode(("Failed", (kind, str(error), error.fix)))

    return call


CALLS: Final = {name: served(name) for name in DESKS}
