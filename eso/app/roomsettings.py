"""The flags of the command line → the settings of each room.

Neighbours: flags.py has the flags, wiring.py hands each room its own settings.
"""

from __future__ import annotations

from eso.app.flags import ControllerSettings
from eso.reconcile.clusterexternalsecret import room as clusterexternalsecret
from eso.reconcile.clusterpushsecret import room as clusterpushsecret
from eso.reconcile.externalsecret import room as externalsecret
from eso.reconcile.externalsecret.reconcile import PassSettings
from eso.reconcile.pushsecret import room as pushsecret
from eso.reconcile.pushsecret.look import PushSettings
from eso.reconcile.secretstore import room as secretstore
from eso.template.apply import Terms


def validated_kinds(settings: ControllerSettings) -> tuple[str, ...]:
    on = {
        "SecretStore": settings.enable_secret_store_reconciler,
        "ClusterSecretStore": settings.enable_cluster_store_reconciler,
    }
    return tuple(kind for kind, enabled in on.items() if enabled)


def store_settings(settings: ControllerSettings) -> secretstore.StoreSettings:
    return secretstore.StoreSettings(
        validated_kinds(settings), settings.controller_class, settings.store_requeue_interval
    )


def external_secret_settings(settings: ControllerSettings) -> externalsecret.RoomSettings:
    passes = PassSettings(
        controller_class=settings.controller_class,
        cluster_stores=settings.enable_cluster_store_reconciler,
        generic_targets=settings.unsafe_allow_generic_targets,
        heartbeat_seconds=settings.status_heartbeat,
        event_trust=settings.event_trust,
        terms=Terms(settings.template_left_delimiter, settings.template_right_delimiter),
    )
    return externalsecret.RoomSettings(passes, settings.passes_in_flight, settings.namespace)


def cluster_external_secret_settings(settings: ControllerSettings) -> clusterexternalsecret.RoomSettings:
    # One namespace alone is no place for an object that makes others in many.
    return clusterexternalsecret.RoomSettings(
        settings.enable_cluster_external_secret_reconciler and not settings.namespace
    )


def push_secret_settings(settings: ControllerSettings) -> pushsecret.RoomSettings:
    terms = Terms(settings.template_left_delimiter, settings.template_right_delimiter)
    passes = PushSettings(settings.controller_class, terms)
    return pushsecret.RoomSettings(
        passes, settings.passes_in_flight, settings.enable_push_secret_reconciler, settings.namespace
    )


def cluster_push_secret_settings(settings: ControllerSettings) -> clusterpushsecret.RoomSettings:
    return clusterpushsecret.RoomSettings(settings.namespace, settings.enable_cluster_push_secret_reconciler)
