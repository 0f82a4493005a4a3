"""Regions of Oracle Cloud and the domains they belong to.

Neighbours: spec.py makes addresses of them. A region becomes a part of a host, which is always below a domain of the
vendor's.
"""

from __future__ import annotations

import re
from typing import Final

REGION: Final = re.compile(r"[a-z0-9]{1,20}(?:-[a-z0-9]{1,20}){0,4}", re.ASCII)
COMMERCIAL: Final = "oraclecloud.com"
GOVERNMENT: Final = "oraclegovcloud.com"
# The oldest regions have a short name at some places, at the metadata service of an instance among them.
SHORT: Final = {"phx": "us-phoenix-1", "iad": "us-ashburn-1", "fra": "eu-frankfurt-1", "lhr": "uk-london-1"}
DOMAINS: Final = {
    GOVERNMENT: ("us-langley-1", "us-luke-1", "us-gov-ashburn-1", "us-gov-chicago-1", "us-gov-phoenix-1"),
    "oraclegovcloud.uk": ("uk-gov-london-1", "uk-gov-cardiff-1"),
    "oraclecloud.eu": ("eu-frankfurt-2", "eu-madrid-2"),
    "oraclecloud8.com": ("ap-chiyoda-1", "ap-ibaraki-1"),
    "oraclecloud9.com": ("me-dcc-muscat-1", "me-ibri-1"),
    "oraclecloud10.com": ("ap-dcc-canberra-1",),
    "oraclecloud14.com": tuple(f"eu-dcc-{city}-{at}" for city in ("milan", "dublin", "rating") for at in (1, 2)),
    "oraclecloud15.com": ("ap-dcc-gazipur-1",),
    "oraclecloud20.com": ("eu-jovanovac-1",),
    "oraclecloud21.com": ("me-dcc-doha-1", "me-alrayyan-1"),
    "oraclecloud23.com": ("us-somerset-1", "us-thames-1"),
    "oraclecloud24.com": ("eu-dcc-zurich-1", "eu-crissier-1"),
    "oraclecloud26.com": ("me-abudhabi-3", "me-alain-1"),
    "oraclecloud29.com": ("me-abudhabi-2", "me-abudhabi-4"),
    "oraclecloud35.com": ("ap-seoul-2", "ap-suwon-1", "ap-chuncheon-2"),
    "oraclecloud42.com": ("us-ashburn-2", "us-newark-1"),
    "oraclecloud51.com": ("eu-budapest-1",),
    "oraclecloud52.com": ("sa-riodejaneiro-1",),
}
OF_REGION: Final = {region: domain for domain, regions in DOMAINS.items() for region in regions}


def region_of(text: str) -> str:
    """The region in lower case; "" for what cannot be one."""
    region = text.strip().lower()
    region = SHORT.get(region, region)
    return region if REGION.fullmatch(region) else ""


def domain_of(region: str) -> str:
    return OF_REGION.get(region, COMMERCIAL)
