"""`eso notify`: what is sent, how often, and what the exit code says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import orjson
import pytest
from aiohttp import web

from eso.api.changesource import Auth, SharedSecret
from eso.cli import notify
from eso.cli.notify import main
from eso.notify.verify import Genuine, by_secret
from eso.secretbytes import SecretBytes


class Receiver:
    """Answers with `answers` one after the other, the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, object]] = [(202, {"outcome": "accepted", "keys": 1, "objects": 3})]
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.port = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, body=orjson.dumps(body))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/changes/team/source"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made, loop = Receiver(), asyncio.new_event_loop()

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(made.handle))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.port = runner.addresses[0][1]
        return runner

    runner = loop.run_until_complete(start())
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv(notify.SECRET, raising=False)
    monkeypatch.delenv(notify.BEARER, raising=False)

    async def at_once(seconds: float) -> None: ...

    monkeypatch.setattr(notify.asyncio, "sleep", at_once)
    path = tmp_path / "key"
    path.write_text("the key\n")
    return str(path)


def test_an_event_is_signed_as_the_operator_expects_it(receiver: Receiver, key: str, capsys):
    assert main(["--url", receiver.url, "--secret-file", key, "--key", "a", "--key", "b", "--version", "7"]) == 0
    ((headers, body),) = receiver.seen
    now = float(headers["webhook-timestamp"])
    assert isinstance(by_secret(Auth(hmac=SharedSecret()), [SecretBytes(b"the key")], headers, body, now), Genuine)
    assert orjson.loads(body) == {"keys": [{"key": "a", "version": "7"}, {"key": "b", "version": "7"}]}
    assert capsys.readouterr().out == "accepted: 1 keys, 3 objects\n"


def test_a_token_may_be_sent_instead(receiver: Receiver, key: str):
    assert main(["--url", receiver.url, "--bearer-file", key, "--prefix", "team/", "--tries", "1"]) == 0
    ((headers, body),) = receiver.seen
    assert headers["authorization"] == "Bearer the key" and "webhook-signature" not in headers
    assert orjson.loads(body)["prefixes"] == ["team/"]


def test_the_credential_may_come_from_the_environment(receiver: Receiver, key: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(notify.SECRET, "whsec_a2V5")
    assert main(["--url", receiver.url, "--key", "a"]) == 0
    assert receiver.seen[0][0]["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        pytest.param(200, {"outcome": "ignored"}, 0, id="understood"),
        pytest.param(202, {"outcome": "duplicate"}, 0, id="taken before"),
        pytest.param(401, {"error": "unauthorized"}, 3, id="a wrong key"),
        pytest.param(403, {}, 3, id="no store may be used"),
        pytest.param(400, {"error": "more than 256 keys"}, 4, id="not understood"),
        pytest.param(404, "nothing", 4, id="another server"),
        pytest.param(429, {"outcome": "limited"}, 5, id="too many events"),
        pytest.param(503, {"outcome": "unwritten"}, 5, id="the API server is away"),
        pytest.param(500, ["x"], 1, id="a bug"),
    ],
)
def test_the_exit_code_says_what_happened(receiver: Receiver, key: str, capsys, status: int, body: object, code: int):
    receiver.answers = [(status, body)]
    assert main(["--url", receiver.url, "--secret-file", key, "--key", "a", "--tries", "2"]) == code
    assert len(receiver.seen) == (2 if status in (429, 500, 503) else 1)
    told = capsys.readouterr()
    assert ("status" in told.err) is bool(code) and "the key" not in told.err + told.out


def test_what_was_not_taken_is_sent_again_under_the_same_id(receiver: Receiver, key: str):
    receiver.answers = [(503, {}), (429, {}), (202, {"outcome": "accepted"})]
    assert main(["--url", receiver.url, "--secret-file", key, "--key", "a"]) == 0
    assert len({headers["webhook-id"] for headers, _ in receiver.seen}) == 1 and len(receiver.seen) == 3


def test_without_any_answer_it_fails(key: str, capsys):
    assert main(["--url", "http://127.0.0.1:1/v1/changes/a/b", "--secret-file", key, "--key", "a"]) == 1
    assert "cannot" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--url", "http://127.0.0.1/v1/changes/a/b", "--key", "a"], id="no credential"),
        pytest.param(["--url", "http://127.0.0.1/v1/changes/a/b", "--secret-file", "KEY"], id="no key"),
        pytest.param(["--url", "http://127.0.0.1/else", "--secret-file", "KEY", "--key", "a"], id="another path"),
        pytest.param(["--url", "http://[x/v1/changes/a/b", "--secret-file", "KEY", "--key", "a"], id="half a bracket"),
        pytest.param(["--url", "http://x:99999/v1/changes/a/b", "--secret-file", "KEY", "--key", "a"], id="no port"),
        pytest.param(["--url", "ftp://x/v1/changes/a/b", "--secret-file", "KEY", "--key", "a"], id="another scheme"),
        pytest.param(["--url", "http://x/v1/changes/a/b", "--bearer-file", "KEY", "--key", "a"], id="a token in clear"),
        pytest.param(["--url", "http://x/v1/changes/a/b", "--secret-file", "/nowhere", "--key", "a"], id="no file"),
        pytest.param(["--url", "http://x/v1/changes/a/b", "--secret-file", "KEY", "--key", "a\n"], id="a line break"),
        pytest.param(
            ["--url", "http://x/v1/changes/a/b", "--secret-file", "KEY", "--key", "a", "--tries", "0"], id="no try"
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(key: str, capsys, arguments: list[str]):
    assert main([key if word == "KEY" else word for word in arguments]) == 2
    assert capsys.readouterr().err.startswith("eso notify: ")


def test_the_help_has_examples_and_exit_codes(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown and "exit codes:" in shown and "port-forward" in shown


@pytest.mark.parametrize("content", [b"\xff\xfe", b"two\nlines"], ids=["no text", "two lines"])
def test_a_token_that_no_header_can_carry_is_refused(tmp_path, capsys, content: bytes):
    file = tmp_path / "token"
    file.write_bytes(content)
    assert main(["--url", "http://127.0.0.1:1/v1/changes/a/b", "--bearer-file", str(file), "--key", "a"]) == 2
    err = capsys.readouterr().err
    assert "the token must be one line of printable ASCII" in err and "two" not in err


@pytest.mark.parametrize("content", ["no certificate", ""], ids=["other text", "nothing"])
def test_authorities_that_are_none_are_a_wrong_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(content)
    monkeypatch.setenv("ESO_NOTIFY_SECRET", "key")
    argv = ["--url", "https://127.0.0.1:1/v1/changes/team/source", "--key", "k", "--ca-file", str(file)]
    assert main(argv) == 2
    assert "--ca-file: cannot use the CA certificates" in (err := capsys.readouterr().err)
    assert "(give PEM certificates)" in err


def test_what_a_server_answers_moves_no_terminal(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ESO_NOTIFY_SECRET", "key")
    for status in (202, 400):
        receiver.answers = [(status, {"outcome": "\x1b[2J\r", "error": "\x1b]0;x\x07"})]
        main(["--url", receiver.url, "--key", "k"])
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err and "\\x1b" in out + err
