"""The rules for the queues that a ChangeSource may receive from: a block of its spec → which queue it is, where.

Neighbours: sqs.py, pubsub.py and servicebus.py ask before they do anything. What is refused here is refused in words
that name the member. Hosts are made of checked parts or checked as a whole, since a credential is shown to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig
from eso.providers.kit.selectors import has, part

Json = Mapping[str, Any]

REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,2}-[0-9]{1,2}")
SQS_HOST: Final = re.compile(
    r"(?:sqs(?:-fips)?\.([a-z0-9-]{1,50})\.(?:amazonaws\.com(?:\.cn)?|api\.aws)"
    r"|([a-z0-9-]{1,50})\.queue\.amazonaws\.com(?:\.cn)?)"
)
SQS_PATH: Final = re.compile(r"/[0-9]{12}/[A-Za-z0-9_-]{1,80}(?:\.fifo)?")
ROLE: Final = re.compile(r"arn:aws[a-z-]{0,20}:iam::[0-9]{12}:role/[\x21-\x7e]{1,576}")
SQS_EXAMPLE: Final = "write for example https://sqs.eu-central-1.amazonaws.com/123456789012/changes"
SUBSCRIPTION: Final = re.compile(
    r"projects/[a-z0-9][a-z0-9:.-]{1,100}/subscriptions/(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}"
)
PUBSUB_HOST: Final = "pubsub.googleapis.com"
LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # of a host
BUS_ENTITY: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,258}[A-Za-z0-9])?")
BUS_SUBSCRIPTION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,48}[A-Za-z0-9])?")
# cloud → the end of the hosts that it gives to namespaces of Service Bus
BUS_SUFFIXES: Final = {
    "PublicCloud": ".servicebus.windows.net",
    "USGovernmentCloud": ".servicebus.usgovcloudapi.net",
    "ChinaCloud": ".servicebus.chinacloudapi.cn",
    "GermanCloud": ".servicebus.cloudapi.de",
}
ENTRA: Final = ("authSecretRef", "authType", "identityId", "serviceAccountRef", "tenantId")


@dataclass(frozen=True, slots=True)
class SqsQueue:
    url: str
    region: str


@dataclass(frozen=True, slots=True)
class BusQueue:
    """`path`: of the queue, or of the topic's subscription, without a slash at either end. `own_host`: the cloud
    itself gives this host to namespaces."""

    host: str
    path: str
    own_host: bool


def sqs(block: Json) -> SqsQueue:
    url, region = text(block, "queueURL"), text(block, "region")
    host = host_of(url)
    found = SQS_HOST.fullmatch(host)
    if found is None or urlsplit(url).scheme != "https":
        raise InvalidConfig("sqs.queueURL is no https address of Amazon SQS", fix=SQS_EXAMPLE)
    if SQS_PATH.fullmatch(url[len("https://") + len(host) :]) is None:
        raise InvalidConfig(
            "sqs.queueURL names no queue: after the host stand the account's number and the queue's name",
            fix=SQS_EXAMPLE,
        )
    named = found[1] or found[2]
    if REGION.fullmatch(named) is None:
        raise InvalidConfig(f'sqs.queueURL: "{named}" is no region of AWS', fix=SQS_EXAMPLE)
    if region and REGION.fullmatch(region) is None:
        raise InvalidConfig(f'sqs.region: "{region}" is no region of AWS', fix="write for example eu-central-1")
    if region not in ("", named):
        raise InvalidConfig(
            f"sqs.region is {region}, but the queue of sqs.queueURL is in {named}", fix=f"write region: {named}"
        )
    if has(block, "auth", "secretRef") and has(block, "auth", "jwt"):
        raise InvalidConfig("sqs.auth has both secretRef and jwt", fix="leave one of them out")
    if has(block, "auth", "secretRef"):
        for name in ("accessKeyIDSecretRef", "secretAccessKeySecretRef"):
            if not part(block, "auth", "secretRef", name).get("name"):
                raise InvalidConfig(f"sqs.auth.secretRef has no {name}", fix="name the Secret and the key in it")
    if has(block, "auth", "jwt") and not part(block, "auth", "jwt", "serviceAccountRef").get("name"):
        raise InvalidConfig("sqs.auth.jwt has no serviceAccountRef", fix="name a ServiceAccount of this namespace")
    role = text(block, "role")
    if role and ROLE.fullmatch(role) is None:
        raise InvalidConfig(
            "sqs.role is no ARN of a role", fix="write for example arn:aws:iam::123456789012:role/changes"
        )
    if text(block, "externalID") and not role:
        raise InvalidConfig("sqs.externalID is there without a role", fix="write the role that demands it")
    refuse_namespaces("sqs", block)
    return SqsQueue(url, named)


def pubsub(block: Json) -> str:
    """The name of the subscription."""
    name = text(block, "subscription")
    if SUBSCRIPTION.fullmatch(name) is None or set(name.split("/")) & {".", ".."}:
        raise InvalidConfig(
            "pubsub.subscription is no name of a subscription", fix="write for example projects/shop/subscriptions/eso"
        )
    ways = [way for way in ("secretRef", "workloadIdentity", "workloadIdentityFederation") if has(block, "auth", way)]
    if len(ways) > 1:
        raise InvalidConfig(f"pubsub.auth has both {ways[0]} and {ways[1]}", fix="leave one of them out")
    if "secretRef" in ways and not part(block, "auth", "secretRef", "secretAccessKeySecretRef").get("name"):
        raise InvalidConfig(
            "pubsub.auth.secretRef has no secretAccessKeySecretRef", fix="name the Secret and the key in it"
        )
    if "workloadIdentity" in ways and not part(block, "auth", "workloadIdentity", "serviceAccountRef").get("name"):
        raise InvalidConfig(
            "pubsub.auth.workloadIdentity has no serviceAccountRef", fix="name a ServiceAccount of this namespace"
        )
    refuse_namespaces("pubsub", block)
    return name


def servicebus(block: Json) -> BusQueue:
    host, cloud = text(block, "host").lower(), text(block, "environmentType") or "PublicCloud"
    labels = host.split(".")
    if len(host) > 253 or len(labels) < 2 or not all(map(LABEL.fullmatch, labels)):
        raise InvalidConfig(
            "servicebus.host is no name of a host", fix="write for example shop.servicebus.windows.net, no URL"
        )
    if cloud not in BUS_SUFFIXES:
        known = ", ".join(BUS_SUFFIXES)
        raise InvalidConfig(f'servicebus.environmentType: "{cloud}" is no cloud', fix=f"use one of {known}")
    queue, topic, subscription = text(block, "queue"), text(block, "topic"), text(block, "subscription")
    if bool(queue) == bool(topic):
        both = "both queue and topic" if queue else "neither queue nor topic"
        raise InvalidConfig(f"servicebus has {both}", fix="write the queue, or the topic and its subscription")
    if bool(topic) != bool(subscription):
        raise InvalidConfig("servicebus.topic and servicebus.subscription go together", fix="write both of them")
    for member, name in (("queue", queue), ("topic", topic)):
        if name and (BUS_ENTITY.fullmatch(name) is None or set(name.split("/")) & {"", ".", ".."}):
            raise InvalidConfig(f"servicebus.{member} is no name of a {member}", fix="write it as the portal shows it")
    if subscription and BUS_SUBSCRIPTION.fullmatch(subscription) is None:
        raise InvalidConfig("servicebus.subscription is no name of a subscription", fix="write it as the portal does")
    if has(block, "sas"):
        others = [name for name in ENTRA if has(block, name)]
        if others:
            raise InvalidConfig(f"servicebus has both sas and {others[0]}", fix="leave one of them out")
        if not text(part(block, "sas"), "keyName") or not part(block, "sas", "secretRef").get("name"):
            raise InvalidConfig("servicebus.sas needs keyName and secretRef", fix="write name and key of a policy")
    else:
        check_entra(block)
    refuse_namespaces("servicebus", block)
    path = queue or f"{topic}/subscriptions/{subscription}"
    return BusQueue(host, path, host.endswith(BUS_SUFFIXES[cloud]))


def check_entra(block: Json) -> None:
    """The members that a login at Entra ID needs, and those that it would not look at."""
    refs = part(block, "authSecretRef")
    match text(block, "authType") or "ServicePrincipal":
        case "ServicePrincipal":
            if not text(block, "tenantId"):
                raise InvalidConfig("servicebus.tenantId is missing", fix="set it, or authType, or sas")
            if not has(refs, "clientId"):
                raise InvalidConfig("servicebus.authSecretRef has no clientId", fix="name the Secret and the key in it")
            if has(refs, "clientSecret") == has(refs, "clientCertificate"):
                found = "both" if has(refs, "clientSecret") else "neither"
                raise InvalidConfig(
                    f"servicebus.authSecretRef has {found} of clientSecret and clientCertificate", fix="write one"
                )
            spare = ("identityId", "serviceAccountRef")
        case "ManagedIdentity":
            spare = ("authSecretRef", "serviceAccountRef")
        case "WorkloadIdentity":
            spare = ("authSecretRef", "identityId")
        case other:
            raise InvalidConfig(
                f'servicebus.authType: "{other}" is not known',
                fix="use ServicePrincipal, ManagedIdentity or WorkloadIdentity",
            )
    for name in spare:
        if has(block, name):
            way = text(block, "authType") or "ServicePrincipal"
            raise InvalidConfig(
                f"servicebus.{name} is not for authType {way}", fix=f"leave {name} out, or change authType"
            )


# parts


def text(block: Json, name: str) -> str:
    found = block.get(name)
    return found if isinstance(found, str) else ""


def host_of(url: str) -> str:
    """The host of a plain https address, as it is written; "" for anything else."""
    if not url.startswith("https://") or not url.isascii() or not url.isprintable():
        return ""
    return url[len("https://") :].partition("/")[0]


def refuse_namespaces(path: str, block: Json) -> None:
    """A ChangeSource logs in with what lies in its own namespace, whichever way a selector is written."""
    for name, value in block.items():
        if isinstance(value, Mapping):
            if value.get("namespace"):
                raise InvalidConfig(
                    f"{path}.{name} names a namespace: credentials of a ChangeSource lie in its own one",
                    fix="leave the namespace out",
                )
            refuse_namespaces(f"{path}.{name}", value)
