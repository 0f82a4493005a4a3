"""Where templates and paths are computed: cheap ones on the loop, others in a process, whose replies are not
believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from eso.app.calls import CALLS
from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.webhook import apart as module
from eso.providers.webhook.apart import Apart, unpacked
from eso.providers.webhook.render import Seen, Templates
from eso.runtime.clock import SystemClock
from eso.runtime.pool import OutOfTime, Pool
from eso.template.apply import CHEAP
from tests.fakes.env import env

SEEN = Seen({"key": b"k"}, {"c": {"v": b"\xff\x00"}})
LONG = "{{ range until 2000 }}{{ . }}{{ end }}"


def templates(**block: Any) -> Templates:
    return Templates.of({"url": "https://h/{{ .remoteRef.key }}"} | block)


class Served:
    """The calls of a worker, without its process. `asked`: their names."""

    def __init__(self, reply: bytes | EsoError | None = None) -> None:
        self.reply, self.asked = reply, list[tuple[str, str]]()

    async def run(self, namespace: str, name: str, body: bytes, seconds: float) -> bytes:
        self.asked.append((namespace, name))
        if isinstance(self.reply, EsoError):
            raise self.reply
        return CALLS[name](body) if self.reply is None else self.reply


def apart(served: Served | None) -> Apart:
    return Apart(replace(env(), compute=served), "team-a")


async def test_what_is_cheap_asks_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHEAP", replace(CHEAP, seconds=60))  # a machine may be slow
    served = Served()
    rendered = await apart(served).request(templates(body="{{ .c.v }}"), SEEN)
    assert (rendered.url, rendered.body) == ("https://h/k", b"\xff\x00")
    assert await apart(served).located(b'{"a":{"b":1}}', "$.a", "") == {b"b": 1.0}
    assert served.asked == []


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({"body": LONG}, id="a loop"),
        pytest.param({"headers": {"X": "{{ genPrivateKey `ecdsa` | len }}"}}, id="a function that computes for long"),
        pytest.param({"body": "{{ .c.v }}" + "x" * 70_000}, id="sheer size"),
    ],
)
async def test_what_is_not_cheap_is_rendered_in_a_process(block: dict[str, Any]) -> None:
    served = Served()
    rendered = await apart(served).request(templates(**block), SEEN)
    assert rendered.url == "https://h/k"
    assert served.asked == [("team-a", "webhook: render")]


async def test_bytes_that_are_no_text_come_back_whole() -> None:
    rendered = await apart(Served()).request(templates(body=LONG, headers={"X": "{{ .c.v }}"}), SEEN)
    assert rendered.headers == (("X", "\udcff\x00"),)


@pytest.mark.parametrize("path", ["$..a", "$.a[*]", '$[?(@.a=="x")]'])
async def test_a_path_that_may_hit_many_is_followed_in_a_process(path: str) -> None:
    served = Served()
    document = b'{"a":["x",{"a":null}]}'
    found = await apart(served).located(document, path, "")
    assert found == await apart(None).located(document, path, "")
    assert served.asked == [("team-a", "webhook: locate")]


async def test_a_large_answer_is_read_in_a_process() -> None:
    served = Served()
    document = jsonenc.encode({f"{number}".encode(): b"x" * 100 for number in range(300)})
    assert await apart(served).located(document, '$["7"]', "") == b"x" * 100
    assert served.asked == [("team-a", "webhook: locate")]


async def test_a_fault_comes_back_with_its_class() -> None:
    with pytest.raises(InvalidConfig, match=r"^failed to parse body: "):
        await apart(Served()).request(templates(body=LONG + "{{ fail `no` }}"), SEEN)
    with pytest.raises(Malformed, match=r"^failed to parse response json: "):
        await apart(Served()).located(b"{", "$..a", "")
    with pytest.raises(InvalidConfig, match="parsing error"):
        await apart(Served()).located(b"{}", "$..[", "")


async def test_a_process_that_was_ended_is_told() -> None:
    with pytest.raises(InvalidConfig, match="could not compute the request: too long"):
        await apart(Served(OutOfTime("too long"))).request(templates(body=LONG), SEEN)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="no message"),
        pytest.param(msgspec.msgpack.encode(("Rendered", ["planted"])), id="half a request"),
        pytest.param(msgspec.msgpack.encode(("Rendered", [1, [[2, 3]], 4, 5, 6])), id="other types"),
        pytest.param(msgspec.msgpack.encode(("Planted", None)), id="another kind"),
        pytest.param(msgspec.msgpack.encode(("Failed", "x")), id="half a fault"),
    ],
)
def test_a_reply_of_another_form_is_not_believed(reply: bytes) -> None:
    with pytest.raises(Malformed) as failed:
        unpacked(reply)
    assert "planted" not in str(failed.value).lower()


async def test_a_real_process_renders_follows_and_is_ended_when_it_takes_too_long() -> None:
    pool = Pool("eso.app.calls", SystemClock())
    try:
        there = Apart(replace(env(), compute=pool), "team-a")
        assert (await there.request(templates(body=LONG), SEEN)).url == "https://h/k"
        assert await there.located(b'{"a":[1]}', "$..a", "") == [[1.0]]
        with pytest.raises(InvalidConfig):
            await there.request(
                templates(body="{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}"), SEEN
            )
    finally:
        pool.close()
