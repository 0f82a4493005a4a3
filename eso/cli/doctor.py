"""`eso doctor`: is everything there that this operator needs, and does it work? Reads, and changes nothing.

Neighbours: checkup.py judges what is read here. Works before an installation, beside the reference's operator and
after a migration; a check that the kubeconfig's user may not make is skipped and says so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from eso.api.clusterexternalsecret import CLUSTER_EXTERNAL_SECRETS
from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS
from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import CRDS, LEASES, SECRETS, Resource
from eso.api.pushsecret import PUSH_SECRETS
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES
from eso.cli.checkup import (
    CONTROLLER,
    LEASE,
    RIGHTS,
    Facts,
    Finding,
    Json,
    State,
    Unseen,
    container,
    findings,
    flag,
    named,
    service_name,
    user_of,
    worst,
)
from eso.cli.terminal import quiet, safe
from eso.errors import EsoError
from eso.kube.config import connect
from eso.kube.rest import ApiError, Rest, UnknownResource

DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
WEBHOOKS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
POLICIES: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
BINDINGS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
REVIEWS: Final = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False)
LOOK: Final = "look at the server in KUBECONFIG, and at proxies before it"
KINDS: Final = (
    SECRET_STORES,
    CLUSTER_SECRET_STORES,
    EXTERNAL_SECRETS,
    CLUSTER_EXTERNAL_SECRETS,
    PUSH_SECRETS,
    CLUSTER_PUSH_SECRETS,
)
UNSEEN, INTERRUPTED = 3, 130
PATIENCE: Final = 60.0  # seconds for everything that is read
EXAMPLES = """examples:
  eso doctor
      checks the cluster of KUBECONFIG (or ~/.kube/config).
  eso doctor -o json | jq '.[] | select(.state != "ok")'
  kubectl eso doctor
      the same: kubectl finds the program kubectl-eso beside eso.

exit codes: 0 nothing failed (there may be warnings), 1 at least one check failed, 2 the arguments are off,
3 nothing failed, and at least one check could not be made
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="eso doctor",
        description=__doc__.partition("\n")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return made


def main(argv: Sequence[str]) -> int:
    """Returns the exit code."""
    arguments = parser().parse_args(argv)
    quiet()
    try:
        found = findings(asyncio.run(in_time(os.environ)))
    except EsoError as error:
        found = [Finding("API server", State.FAIL, str(error), error.fix or "see KUBECONFIG")]
    except KeyboardInterrupt:
        return INTERRUPTED
    sys.stdout.write(as_json(found) if arguments.output == "json" else as_table(found))
    return exit_code(found)


def exit_code(found: Sequence[Finding]) -> int:
    if worst(found) is State.FAIL:
        return 1
    return UNSEEN if any(one.state is State.SKIP for one in found) else 0


def as_json(found: Sequence[Finding]) -> str:
    rows = [{"check": one.check, "state": one.state.value, "told": one.told, "fix": one.fix} for one in found]
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n"


def as_table(found: Sequence[Finding]) -> str:
    width = max(len(one.check) for one in found)
    lines = []
    for one in found:
        lines.append(f"{one.state.value:4}  {one.check:{width}}  {safe(one.told)}")
        if one.fix:
            lines.append(f"{'':4}  {'':{width}}  → {safe(one.fix)}")
    return "\n".join(lines) + "\n"


# -- reading ----------------------------------------------------------------------------------------------------------


class NoAnswer(EsoError):
    """What answers at the address of the API server is none, or takes too long."""


async def in_time(environ: Mapping[str, str]) -> Facts:
    """Raises NoAnswer, ConfigError and ApiError."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await facts(environ)
    except TimeoutError:
        raise NoAnswer(f"the API server did not answer everything within {PATIENCE:g} s", fix=LOOK) from None


async def facts(environ: Mapping[str, str]) -> Facts:
    """Raises ConfigError and ApiError when there is no API server to ask; what may not be read is Unseen."""
    access = await connect(environ)
    try:
        rest = Rest(access)
        version = version_of(await rest.read("/version"))
        crds, deployments, leases, webhooks, slices, policies, bindings, *objects = await asyncio.gather(
            listed(rest, CRDS),
            controllers(rest),
            listed(rest, LEASES),
            listed(rest, WEBHOOKS),
            listed(rest, SLICES),
            listed(rest, POLICIES),
            listed(rest, BINDINGS),
            *(listed(rest, kind) for kind in KINDS),
        )
        hooks = [] if isinstance(webhooks, Unseen) else webhooks
        running = (
            [] if isinstance(deployments, Unseen) else [one for one in deployments if one["spec"].get("replicas", 1)]
        )
        return Facts(
            now=datetime.now(UTC),
            version=version,
            server_time=await server_time(access),
            crds=crds,
            deployments=deployments,
            leases=leases if isinstance(leases, Unseen) else elected(leases, deployments),
            webhooks=webhooks,
            slices=slices,
            objects={kind.kind: items for kind, items in zip(KINDS, objects, strict=True)},
            refused={named(one): await refused(rest, one) for one in running},
            certificates=await certificates(rest, hooks),
            policies=policies,
            bindings=bindings,
            mints={named(one) for one in running if await mints(rest, one)},
        )
    finally:
        await access.close()


def elected(leases: list[Json], deployments: list[Json] | Unseen) -> list[Json]:
    """Those that controllers of this kind elect by, with their default name or that of a flag."""
    seen = [] if isinstance(deployments, Unseen) else deployments
    named_by_flags = {name for one in seen if (name := flag(one, "leader-election-id"))}
    return [one for one in leases if one["metadata"]["name"] in {LEASE, *named_by_flags}]


def version_of(raw: bytes) -> str:
    """Raises NoAnswer."""
    try:
        return str(orjson.loads(raw).get("gitVersion", "?"))
    except (orjson.JSONDecodeError, AttributeError):
        raise NoAnswer("what answers is no API server: its /version is no JSON object", fix=LOOK) from None


async def controllers(rest: Rest) -> list[Json] | Unseen:
    """The Deployments of controllers: by their label; where none has it, as under a nameOverride of the chart, by the
    name of their container."""
    found = await listed(rest, DEPLOYMENTS, label_selector=f"app.kubernetes.io/name={CONTROLLER}")
    if found:
        return found
    every = await listed(rest, DEPLOYMENTS)
    return every if isinstance(every, Unseen) else [one for one in every if container(one).get("name") == CONTROLLER]


async def listed(rest: Rest, resource: Resource, **selectors: str) -> list[Json] | Unseen:
    try:
        return [
            item
            async for page in rest.list_pages(resource, **selectors)  # type: ignore[arg-type]  # selectors are texts
            for item in orjson.loads(page).get("items") or ()
        ]
    except ApiError as error:
        if isinstance(error, UnknownResource) and resource in (POLICIES, BINDINGS):
            return []  # Kubernetes before 1.30
        return Unseen(f"cannot list {resource.plural}: {error}")
    except (orjson.JSONDecodeError, AttributeError):
        return Unseen(f"cannot list {resource.plural}: the answer is no list")


async def server_time(access: Any) -> datetime | None:
    """The Date header of a reply; a second's fraction is cut off there."""
    authorization = await access.authorization()
    headers = {"authorization": authorization} if authorization else {}
    reply = await (await access.pool()).request("GET", f"{access.server}/version", headers=headers)
    try:
        return parsedate_to_datetime(reply.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


async def mints(rest: Rest, deployment: Json) -> bool:
    """Whether the account of a controller may request tokens of every account; False also where that may not be
    asked."""
    try:
        return await allowed(rest, user_of(deployment), "", "create", "", "serviceaccounts", "token")
    except ApiError:
        return False


async def refused(rest: Rest, deployment: Json) -> list[str] | Unseen:
    """What the account of a controller may not do, as "verb resource", where its flags let it work."""
    user = user_of(deployment)
    scope = flag(deployment, "namespace")
    asked = [
        (verb, group, *resource.split("/"))
        for group, resource, verbs in RIGHTS
        if not scope or not (resource.startswith("cluster") or resource == "namespaces")
        for verb in verbs
    ]
    try:
        answers = await asyncio.gather(*(allowed(rest, user, scope, *one) for one in asked))
    except ApiError as error:
        return Unseen(f"cannot ask what {user} may do: {error}")
    return [f"{one[0]} {'/'.join(one[2:])}" for one, answer in zip(asked, answers, strict=True) if not answer]


async def allowed(
    rest: Rest, user: str, namespace: str, verb: str, group: str, resource: str, subresource: str = ""
) -> bool:
    """Raises ApiError."""
    attributes = {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace,
    }
    body = {
        "apiVersion": REVIEWS.api_version,
        "kind": REVIEWS.kind,
        "spec": {"user": user, "groups": groups_of(user), "resourceAttributes": attributes},
    }
    return bool(orjson.loads(await rest.create(REVIEWS, "", body))["status"].get("allowed"))


def groups_of(user: str) -> list[str]:
    """Every account is in these; a role may be bound to each of them."""
    accounts, _, _ = user.removeprefix("system:serviceaccount:").partition(":")
    return ["system:serviceaccounts", f"system:serviceaccounts:{accounts}", "system:authenticated"]


async def certificates(rest: Rest, configurations: Sequence[Json]) -> dict[str, bytes]:
    """The serving certificate by "namespace/name" of the Service: of the Secret that has the Service's name."""
    names = {
        service_name(hook.get("clientConfig", {})) for one in configurations for hook in one.get("webhooks", ())
    } - {""}
    found: dict[str, bytes] = {}
    for name in sorted(names):
        namespace, _, service = name.partition("/")
        try:
            raw = await rest.get(SECRETS, namespace, service)
            certificate = b64decode((orjson.loads(raw).get("data") or {})["tls.crt"]) if raw else b""
        except (ApiError, KeyError, NoBase64):
            continue
        if certificate:
            found[name] = certificate
    return found
