"""Live Secrets that no ExternalSecret takes over or writes into: others keep records or tokens in them.

Neighbours: desired.py and manifest.py ask before they change a live object, targets.py before it is marked as ours.
"""

from __future__ import annotations

from typing import Final

from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.wellknown import SECRET_TYPE_BOOTSTRAP_TOKEN, SECRET_TYPE_SERVICE_ACCOUNT_TOKEN
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.kit.difference import Json
from eso.reconcile.kit.owners import bound_to

HELM: Final = "helm.sh/"
TOKENS: Final = {
    SECRET_TYPE_SERVICE_ACCOUNT_TOKEN: "Kubernetes keeps the token of a ServiceAccount in it",
    SECRET_TYPE_BOOTSTRAP_TOKEN: "nodes join the cluster with it",
}


def foreign(live: Json) -> Json | None:
    """The part of a live Secret that tells whose it is; None for one of a type that is nobody's in particular."""
    kind = str(live.get("type") or "")
    if not kind.startswith(HELM) and kind not in TOKENS:
        return None
    return {"type": kind, "metadata": {"ownerReferences": live["metadata"].get("ownerReferences") or []}}


def kept_by_others(es: ExternalSecret, live: Json | None) -> None:
    """Raises Failed for a Secret of a type that others own, unless this ExternalSecret controls it."""
    if live is None or live.get("kind", "Secret") != "Secret" or bound_to(live, EXTERNAL_SECRETS, es.metadata.name):
        return
    kind = str(live.get("type") or "")
    whose = "Helm keeps a release in it" if kind.startswith(HELM) else TOKENS.get(kind)
    if whose is not None:
        raise Failed(
            Stage.CLAIM,
            f"secret {es.target_name} has type {kind}: {whose}, and no ExternalSecret writes it",
            fix="use another spec.target.name",
        )
