"""The schema of `spec.provider.yandexcertificatemanager`."""

from __future__ import annotations

from eso.api.crds.providers.parts import yandex
from eso.api.crds.schema import Schema


def schema() -> Schema:
    return yandex("Yandex Certificate Manager.")
