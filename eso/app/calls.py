"""What the processes that compute for tenants can be asked: the calls of all rooms, of searches, of paths, of
webhooks, of OpenPGP.

Neighbours: wiring.py names this module to `runtime.pool`, whose zygote imports it.
"""

from __future__ import annotations

from typing import Final

from eso.providers.kit import search
from eso.providers.passbolt import apart as passbolt
from eso.providers.webhook import apart as webhook
from eso.reconcile.externalsecret import apart as externalsecret
from eso.reconcile.pushsecret import apart as pushsecret
from eso.values import lookups

CALLS: Final = {
    **externalsecret.CALLS,
    **pushsecret.CALLS,
    **webhook.CALLS,
    **search.CALLS,
    **lookups.CALLS,
    **passbolt.CALLS,
}
warm = externalsecret.warm
