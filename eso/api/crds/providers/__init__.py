"""The schemas below `spec.provider`: one module for each provider key of the reference.

Neighbours: crds.secretstore puts them together, parts.py has what several share. Every schema is strict and equal to
the reference's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from eso.api.crds.providers import (
    akeyless,
    aws,
    azurekv,
    barbican,
    beyondtrust,
    beyondtrustworkloadcredentials,
    bitwardensecretsmanager,
    chef,
    cloudrusm,
    conjur,
    crd,
    delinea,
    doppler,
    dvls,
    fake,
    fortanix,
    gcpsm,
    github,
    gitlab,
    ibm,
    infisical,
    keepersecurity,
    kubernetes,
    nebiusmysterybox,
    ngrok,
    onboardbase,
    onepassword,
    onepasswordsdk,
    openbao,
    oracle,
    ovh,
    passbolt,
    passworddepot,
    previder,
    pulumi,
    scaleway,
    secretserver,
    senhasegura,
    vault,
    volcengine,
    webhook,
    yandexcertificatemanager,
    yandexlockbox,
)
from eso.api.crds.schema import Schema

PROVIDERS: Final[dict[str, Callable[[], Schema]]] = {
    "akeyless": akeyless.schema,
    "aws": aws.schema,
    "azurekv": azurekv.schema,
    "barbican": barbican.schema,
    "beyondtrust": beyondtrust.schema,
    "beyondtrustworkloadcredentials": beyondtrustworkloadcredentials.schema,
    "bitwardensecretsmanager": bitwardensecretsmanager.schema,
    "chef": chef.schema,
    "cloudrusm": cloudrusm.schema,
    "conjur": conjur.schema,
    "crd": crd.schema,
    "delinea": delinea.schema,
    "doppler": doppler.schema,
    "dvls": dvls.schema,
    "fake": fake.schema,
    "fortanix": fortanix.schema,
    "gcpsm": gcpsm.schema,
    "github": github.schema,
    "gitlab": gitlab.schema,
    "ibm": ibm.schema,
    "infisical": infisical.schema,
    "keepersecurity": keepersecurity.schema,
    "kubernetes": kubernetes.schema,
    "nebiusmysterybox": nebiusmysterybox.schema,
    "ngrok": ngrok.schema,
    "onboardbase": onboardbase.schema,
    "onepassword": onepassword.schema,
    "onepasswordSDK": onepasswordsdk.schema,
    "openBao": openbao.schema,
    "oracle": oracle.schema,
    "ovh": ovh.schema,
    "passbolt": passbolt.schema,
    "passworddepot": passworddepot.schema,
    "previder": previder.schema,
    "pulumi": pulumi.schema,
    "scaleway": scaleway.schema,
    "secretserver": secretserver.schema,
    "senhasegura": senhasegura.schema,
    "vault": vault.schema,
    "volcengine": volcengine.schema,
    "webhook": webhook.schema,
    "yandexcertificatemanager": yandexcertificatemanager.schema,
    "yandexlockbox": yandexlockbox.schema,
}


def provider_schemas() -> dict[str, Schema]:
    """Provider key → schema, sorted."""
    return {provider: make() for provider, make in sorted(PROVIDERS.items(), key=lambda entry: entry[0].lower())}
