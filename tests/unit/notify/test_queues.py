"""The table of queues: what is loaded when, and which servers may be reached."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from eso.api.hosts import hosts_of
from eso.net.http import Pools, Proxies
from eso.net.reach import Reach
from eso.notify.queues import PUBSUB, QUEUES, SERVICEBUS, SQS, Lazy
from eso.providers.contract import CredentialReader, InvalidConfig
from tests.fakes.awslogin import AwsCredentials
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import env
from tests.fakes.gcp import GcpCredentials, service_account_key
from tests.unit.notify import test_pubsub, test_servicebus, test_sqs
from tests.unit.notify.test_servicebus import SECRETS

CASES: list[tuple[Lazy, dict[str, Any], CredentialReader]] = [
    (SQS, test_sqs.BLOCK, AwsCredentials()),
    (PUBSUB, test_pubsub.BLOCK, GcpCredentials({"login/key.json": service_account_key()})),
    (
        SERVICEBUS,
        {name: value for name, value in (test_servicebus.BLOCK | test_servicebus.SAS).items() if value is not None},
        StaticCredentials(SECRETS),
    ),
]


@pytest.mark.parametrize("reach", ["denied", "allowed"])
@pytest.mark.parametrize(("queue", "block", "credentials"), CASES, ids=[case[0].name for case in CASES])
async def test_a_queue_obeys_the_lists_of_hosts(
    queue: Lazy, block: dict[str, Any], credentials: CredentialReader, reach: str
):
    """Refused by name, before anything is resolved or sent."""
    clouds = hosts_of(["*.amazonaws.com", "*.googleapis.com", "*.windows.net"])
    # Where a proxy resolves names, a list of those that are allowed is judged by name as well.
    proxies = Proxies("http://127.0.0.1:9", "http://127.0.0.1:9")
    lists = Reach(denied=clouds) if reach == "denied" else Reach(allowed=hosts_of(["vault.example.com"]))
    given = env(pools=Pools(proxies, lists))
    with pytest.raises(InvalidConfig, match=r"stores may (not )?reach"):
        feed = await queue.open(block, credentials, given)
        try:
            await feed.receive()
        finally:
            await feed.close()


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal/x", "[fd00:ec2::254]"])
async def test_a_metadata_service_is_no_queue(host: str):
    given = env(pools=Pools(reach=Reach(link_local=False)))
    for queue, block in (
        (SQS, {"queueURL": f"https://{host}/123456789012/changes"}),
        (PUBSUB, {"subscription": f"{host}/projects/p/subscriptions/abc"}),
    ):
        with pytest.raises(InvalidConfig):
            await queue.open(block, StaticCredentials({}), given)
    with pytest.raises(InvalidConfig):
        feed = await SERVICEBUS.open(CASES[2][1] | {"host": host}, StaticCredentials(SECRETS), given)
        try:
            await feed.receive()
        finally:
            await feed.close()


def test_nothing_of_a_cloud_is_loaded_before_a_source_needs_it():
    clouds = ("aiobotocore", "botocore", "google.auth", "eso.notify.sqs", "eso.notify.pubsub", "eso.notify.servicebus")
    lines = [
        "import sys, eso.app.wiring",
        "from eso.notify.queues import QUEUES",
        f"places = [queue.endpoint(block) for queue, block in zip(QUEUES, {[case[1] for case in CASES]!r})]",
        f"print(len(places), [name for name in {clouds!r} if name in sys.modules])",
    ]
    text = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "3 []"


def test_each_queue_has_the_name_of_its_member():
    assert [queue.name for queue in QUEUES] == ["sqs", "pubsub", "servicebus"]
