"""Files that come, change, vanish and grow old."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from e2e.harness.certs import Authority
from eso.admission.certificate import PATIENCE, NearItsEnd, NoCertificate
from tests.unit.admission.folder import Watching

DAY = 86_400.0


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    return Watching(tmp_path)


def test_files_that_clients_would_trust_are_served(watching: Watching):
    watching.mounted.issue()
    watching.certificate.look()
    assert watching.certificate.context is not None and watching.certificate.fault() == ""
    assert watching.counted == [True]


def test_without_files_there_is_no_context_and_a_reason(watching: Watching):
    watching.certificate.look()
    assert watching.certificate.context is None
    assert watching.certificate.fault() == "there is no certificate"
    assert watching.certificate.ends_at == 0


def test_files_that_did_not_change_are_not_read_again(watching: Watching):
    watching.mounted.issue()
    for _ in range(3):
        watching.certificate.look()
    assert watching.counted == [True]


def test_files_that_change_are_served_from_then_on(watching: Watching):
    watching.mounted.issue()
    watching.certificate.look()
    before, ends = watching.certificate.context, watching.certificate.ends_at
    watching.mounted.issue()
    watching.certificate.look()
    assert watching.certificate.context is not before and watching.certificate.ends_at >= ends
    assert watching.counted == [True, True]


@pytest.mark.parametrize(
    "worse",
    [
        pytest.param((None, None, None), id="all files gone"),
        pytest.param((b"", b"", b""), id="an emptied Secret"),
        pytest.param((b"x", b"y", b"z"), id="no PEM"),
    ],
)
def test_files_that_cannot_be_used_leave_the_last_ones_in_force(watching: Watching, worse: tuple[bytes | None, ...]):
    watching.mounted.issue()
    watching.certificate.look()
    before = watching.certificate.context
    watching.mounted.show(*worse)
    for _ in range(3):
        watching.certificate.look()
    assert watching.certificate.context is before and watching.certificate.fault() == ""
    assert watching.counted == [True, False]  # told once, not each second
    watching.mounted.issue()
    watching.certificate.look()
    assert watching.certificate.context is not before


def test_a_key_of_another_certificate_is_not_served(watching: Watching, tmp_path: Path):
    authority = Authority(tmp_path / "ca")
    one, other = authority.server("one"), authority.server("other")
    watching.mounted.show(one.cert.read_bytes(), other.key.read_bytes(), authority.cert.read_bytes())
    watching.certificate.look()
    assert watching.certificate.fault() == "the key is not the certificate's"


def test_a_certificate_for_another_name_is_not_served(watching: Watching):
    watching.mounted.issue("elsewhere.svc")
    watching.certificate.look()
    assert watching.certificate.fault() == "the certificate is not valid for localhost"


def test_a_certificate_that_is_not_valid_yet_is_taken_once_it_is(watching: Watching):
    watching.clock.jump(-2 * DAY)
    watching.mounted.issue()
    watching.certificate.look()
    assert "is not valid before" in watching.certificate.fault(timedelta())
    watching.clock.jump(2 * DAY)
    watching.certificate.look()
    assert watching.certificate.fault() == ""


async def test_the_first_certificate_is_waited_for(watching: Watching):
    waiting = asyncio.ensure_future(watching.certificate.first())
    await watching.clock.advance(PATIENCE / 2)
    assert not waiting.done()
    watching.mounted.issue()
    await watching.clock.advance(1.0)
    await waiting


async def test_the_first_certificate_is_not_waited_for_longer_than_two_minutes(watching: Watching):
    waiting = asyncio.ensure_future(watching.certificate.first())
    await watching.clock.advance(PATIENCE + 1)
    with pytest.raises(NoCertificate, match=r"there is no certificate") as raised:
        await waiting
    assert "cert-controller" in raised.value.fix


async def test_files_are_followed_within_a_second(watching: Watching):
    watching.mounted.issue()
    following = asyncio.ensure_future(watching.certificate.follow())
    await watching.clock.advance(1.0)
    first = watching.certificate.context
    watching.mounted.issue()
    await watching.clock.advance(1.0)
    assert first is not None and watching.certificate.context is not first
    following.cancel()
    await asyncio.wait([following])


async def test_the_process_ends_before_the_certificate_does(watching: Watching):
    watching.mounted.issue()  # valid for thirty days
    watching.certificate.look()
    guarding = asyncio.ensure_future(watching.certificate.guard(300.0, 10 * DAY))
    await watching.clock.advance(19 * DAY)
    assert not guarding.done()
    await watching.clock.advance(2 * DAY)
    with pytest.raises(NearItsEnd, match="will not do in 240 h"):
        await guarding


async def test_a_certificate_that_was_renewed_keeps_the_process_alive(watching: Watching):
    watching.mounted.issue()
    watching.certificate.look()
    guarding = asyncio.ensure_future(watching.certificate.guard(300.0, 40 * DAY))
    # The look of the guard itself finds the new files: nothing else reads them here.
    await watching.clock.advance(0)
    assert not guarding.done()
    await watching.clock.advance(301)
    with pytest.raises(NearItsEnd):
        await guarding
    again = asyncio.ensure_future(watching.certificate.guard(300.0, 20 * DAY))
    watching.mounted.issue()
    await watching.clock.advance(9 * DAY)
    assert not again.done()
    again.cancel()
    await asyncio.wait([again])
