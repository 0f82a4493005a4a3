"""The external_account configuration of a store, or of the operator → how a subject token is got and exchanged.

Neighbours: login.py and surroundings.py follow it. Pure. The author of a store is often not the administrator of the
operator. So every address in a configuration is checked against the reference's rules, and a subject token from the
operator's surroundings (a file, an address inside its network, its AWS role) is exchanged at Google only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig
from eso.providers.kit import headers
from eso.providers.kit.http import object_of
from eso.providers.kit.selectors import Json, has, part

JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
AWS4: Final = "urn:ietf:params:aws:token-type:aws4_request"
UNIVERSE: Final = "googleapis.com"
INVALID: Final = "invalid workloadIdentityFederation config: "
SOURCES: Final = ("credConfig", "awsSecurityCredentials", "serviceAccountRef")
IMPERSONATION: Final = re.compile(
    r"https://iamcredentials\.(?:[a-z0-9-]+\.)*googleapis\.com/v1/projects/[^/]+/serviceAccounts/"
    r"[a-z0-9-]+@[a-z0-9-]+\.iam\.gserviceaccount\.com:generateAccessToken"
)
TOKEN: Final = re.compile(r"https://sts\.[^/\s]+/v1/token")
AT_GOOGLE: Final = re.compile(r"https://sts(?:\.[a-z0-9-]+)*\.googleapis\.com/v1/token")
TOKEN_INFO: Final = re.compile(r"https://sts\.[^/\s]+/v1/introspect")
IMDS_HOSTS: Final = frozenset({"metadata.google.internal", "169.254.169.254", "fd00:ec2::254"})
IMDS_PATHS: Final = {
    "region_url": "/latest/meta-data/placement/availability-zone",
    "url": "/latest/meta-data/iam/security-credentials",
    "imdsv2_session_token_url": "/latest/api/token",
}
WORKFORCE: Final = re.compile(r"//iam\.googleapis\.com/locations/[^/]+/workforcePools/[^/]+/providers/[^/]+")
REGION: Final = re.compile(r"[a-z0-9-]{1,50}")
VERIFICATION: Final = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
LEAST_SECONDS, MOST_SECONDS = 600, 43200  # of an impersonated token
OWN_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"


@dataclass(frozen=True, slots=True)
class Form:
    """Where the token stands in the text of a source: all of it, or a member of its JSON."""

    member: str = ""


@dataclass(frozen=True, slots=True)
class FromFile:
    path: str
    form: Form


@dataclass(frozen=True, slots=True)
class FromUrl:
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    form: Form


@dataclass(frozen=True, slots=True)
class FromAws:
    """The AWS role of the machine, from the environment or these addresses of its metadata service; "" for none."""

    region_url: str
    url: str
    session_url: str


Source = FromFile | FromUrl | FromAws


@dataclass(frozen=True, slots=True)
class External:
    """`impersonate`: address of generateAccessToken, "" to use the exchanged token as it is. `source` None: the store
    brings the subject token itself. A person of a workforce pool belongs to no project: `user_project`, or the client,
    answers for the requests."""

    audience: str
    subject_type: str
    token_url: str
    impersonate: str = ""
    seconds: int = 3600
    source: Source | None = None
    user_project: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


def source_of(block: Json) -> str:
    """Which of the three sources a store names. Raises InvalidConfig with the reference's texts."""
    named = [name for name in SOURCES if has(block, name)]
    if len(named) != 1:
        raise InvalidConfig(
            f"{INVALID}exactly one of credConfig, awsSecurityCredentials or serviceAccountRef must be provided"
        )
    if named[0] != "credConfig" and not block.get("audience"):
        raise InvalidConfig(
            f"{INVALID}audience must be provided, when serviceAccountRef or awsSecurityCredentials is provided"
        )
    return named[0]


def of_store(block: Json, subject_type: str, email: str = "") -> External:
    """For a store that brings its subject token: a ServiceAccount's, or a request signed with AWS keys."""
    email = str(block.get("gcpServiceAccountEmail") or "") or email
    external = External(
        str(block.get("audience") or ""),
        subject_type,
        f"https://sts.{UNIVERSE}/v1/token",
        impersonation(email, UNIVERSE) if email else "",
    )
    refuse(faults(external))
    return external


def of_config(text: bytes, block: Json) -> External:
    """For a store that names an external_account JSON; `block` may overrule parts of it. Raises InvalidConfig."""
    config = parsed(text)
    source = part(config, "credential_source")
    external = read(config, str(block.get("audience") or ""), str(block.get("gcpServiceAccountEmail") or ""))
    found = [*faults(external, config), *source_faults(source, str(block.get("externalTokenEndpoint") or ""))]
    refuse(found)
    if external.source is None or (isinstance(external.source, FromFile) and external.source.path == OWN_TOKEN):
        raise InvalidConfig(
            "invalid external_account config\ncredential_source names no source that a store may use",
            fix="name a file, a url or an AWS environment; for a ServiceAccount use serviceAccountRef",
        )
    if not at_google(external.token_url):
        raise InvalidConfig(
            "invalid external_account config\na token from the operator's surroundings is exchanged at Google only",
            fix=f"leave token_url out, or use a host below {UNIVERSE}",
        )
    return external


def of_operator(config: Mapping[str, Any]) -> External:
    """For the operator's own configuration (GOOGLE_APPLICATION_CREDENTIALS). Raises InvalidConfig."""
    external = read(config, "", "")
    refuse(faults(external, config))
    if external.source is None:
        raise InvalidConfig("invalid external_account config\ncredential_source names no file, url or AWS environment")
    return external


def parsed(text: bytes) -> dict[str, Any]:
    try:
        config = object_of(text)
    except EsoError:
        raise InvalidConfig("invalid credentials: the external_account configuration is no JSON object") from None
    kind = config.get("type")
    if kind != "external_account":
        shown = kind if isinstance(kind, str) and re.fullmatch(r"[a-z_]{0,40}", kind) else "?"
        raise InvalidConfig(f'invalid credentials: \'type\' field is "{shown}" (expected "external_account")')
    return config


def read(config: Mapping[str, Any], audience: str, email: str) -> External:
    """The configuration with its defaults."""
    universe = text_of(config, "universe_domain") or UNIVERSE
    given = text_of(config, "service_account_impersonation_url")
    seconds = part(config, "service_account_impersonation").get("token_lifetime_seconds")
    known = seconds if isinstance(seconds, int) and LEAST_SECONDS <= seconds <= MOST_SECONDS else 3600
    found = source(part(config, "credential_source"))
    return External(
        audience or text_of(config, "audience"),
        text_of(config, "subject_token_type") or (AWS4 if isinstance(found, FromAws) else JWT),
        text_of(config, "token_url") or f"https://sts.{universe}/v1/token",
        impersonation(email, universe) if email else given,
        known,
        found,
        text_of(config, "workforce_pool_user_project"),
        text_of(config, "client_id"),
        text_of(config, "client_secret"),
    )


def source(block: Json) -> Source | None:
    """Raises InvalidConfig for a header that may not be sent."""
    form = part(block, "format")
    member = text_of(form, "subject_token_field_name") if form.get("type") == "json" else ""
    if text_of(block, "environment_id"):
        return FromAws(text_of(block, "region_url"), text_of(block, "url"), text_of(block, "imdsv2_session_token_url"))
    if text_of(block, "file"):
        return FromFile(text_of(block, "file"), Form(member))
    if text_of(block, "url"):
        return FromUrl(text_of(block, "url"), headers.from_store(block.get("headers")), Form(member))
    return None


def impersonation(email: str, universe: str) -> str:
    return f"https://iamcredentials.{universe}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"


def faults(external: External, config: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The violations in the addresses. No address is shown: it may carry a password or a token."""
    if not external.audience:
        yield "audience is empty"
    if external.impersonate and not IMPERSONATION.fullmatch(external.impersonate):
        yield "service_account_impersonation_url does not have the expected form"
    if not TOKEN.fullmatch(external.token_url):
        yield "token_url does not have the expected form"
    if external.user_project and not WORKFORCE.match(external.audience):
        yield "workforce_pool_user_project is set, but audience is no workforce pool"
    info = text_of(config or {}, "token_info_url")
    if info and not TOKEN_INFO.fullmatch(info):
        yield "token_info_url does not have the expected form"


def source_faults(block: Json, endpoint: str) -> Iterator[str]:
    """The violations in a store's credential_source. `endpoint`: externalTokenEndpoint of the store."""
    if has(block, "executable"):
        yield "credential_source.executable is not allowed"
    environment = text_of(block, "environment_id")
    if not environment:
        if text_of(block, "url") != endpoint:
            yield "credential_source.url does not equal externalTokenEndpoint"
        return
    if not environment.lower().startswith("aws"):
        yield "credential_source.environment_id does not start with aws"
    for name, path in IMDS_PATHS.items():
        if text_of(block, name) and not at_imds(text_of(block, name), path):
            yield f"credential_source.{name} is not the AWS metadata service"
    verification = text_of(block, "regional_cred_verification_url")
    if verification and verification != VERIFICATION:
        yield "credential_source.regional_cred_verification_url is not GetCallerIdentity of AWS STS"


def at_imds(url: str, path: str) -> bool:
    try:
        parts = urlsplit(url)
        plain = parts.port in (None, 80) and parts.username is None and not parts.query and not parts.fragment
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in IMDS_HOSTS and plain and parts.path.rstrip("/") == path


def at_google(url: str) -> bool:
    """Whether a token server is Google's own."""
    return AT_GOOGLE.fullmatch(url) is not None


def refuse(found: Iterator[str] | list[str]) -> None:
    violations = list(found)
    if violations:
        raise InvalidConfig("\n".join(["invalid external_account config", *violations]))


def text_of(block: Mapping[str, Any], name: str) -> str:
    value = block.get(name)
    return value if isinstance(value, str) else ""
