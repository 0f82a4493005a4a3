"""The external_account configuration: what a store's author may write, and what the operator's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eso.providers.contract import InvalidConfig
from eso.providers.gcpsm import federation
from eso.providers.gcpsm.federation import JWT, External, Form, FromAws, FromFile, FromUrl

AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
IMPERSONATE = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    "a@b.iam.gserviceaccount.com:generateAccessToken"
)
FILE = {"file": "/var/run/secrets/tokens/gcp"}
AWS = {
    "environment_id": "aws1",
    "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
    "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
    "imdsv2_session_token_url": "http://[fd00:ec2::254]/latest/api/token",
    "regional_cred_verification_url": federation.VERIFICATION,
}


def config(**changes: Any) -> bytes:
    found = {"type": "external_account", "audience": AUDIENCE, "credential_source": FILE} | changes
    return json.dumps({name: value for name, value in found.items() if value is not None}).encode()


def test_defaults() -> None:
    assert federation.of_config(config(), {}) == External(
        AUDIENCE, JWT, "https://sts.googleapis.com/v1/token", "", 3600, FromFile(FILE["file"], Form())
    )


def test_the_store_overrules_the_configuration() -> None:
    block = {"audience": "other", "gcpServiceAccountEmail": "a@b.iam.gserviceaccount.com"}
    found = federation.of_config(config(service_account_impersonation_url=IMPERSONATE.replace("a@b", "x@y")), block)
    assert (found.audience, found.impersonate) == ("other", IMPERSONATE)


def test_the_configuration_says_whom_to_impersonate_and_for_how_long() -> None:
    lifetime = {"token_lifetime_seconds": 1200}
    text = config(service_account_impersonation_url=IMPERSONATE, service_account_impersonation=lifetime)
    found = federation.of_config(text, {})
    assert (found.impersonate, found.seconds) == (IMPERSONATE, 1200)


def test_sources() -> None:
    form = {"type": "json", "subject_token_field_name": "token"}
    source = {"url": "https://idp.example.com/token", "headers": {"X-Name": "v"}, "format": form}
    found = federation.of_config(config(credential_source=source), {"externalTokenEndpoint": source["url"]})
    assert found.source == FromUrl("https://idp.example.com/token", {"X-Name": "v"}, Form("token"))
    found = federation.of_config(config(credential_source=AWS), {})
    assert found.source == FromAws(AWS["region_url"], AWS["url"], AWS["imdsv2_session_token_url"])


REFUSED = "invalid external_account config"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        pytest.param({"audience": None}, ["audience is empty"], id="no audience"),
        pytest.param(
            {"service_account_impersonation_url": "https://iamcredentials.evil.example/v1/projects/-/x"},
            ["service_account_impersonation_url does not have the expected form"],
            id="impersonation elsewhere",
        ),
        pytest.param(
            {"token_url": "https://evil.example/v1/token", "token_info_url": "http://sts.x/v1/introspect"},
            ["token_url does not have the expected form", "token_info_url does not have the expected form"],
            id="every violation is told",
        ),
        pytest.param(
            {"token_url": f"{'https://sts.googleapis.com/v1/token'}\nx"},
            ["token_url does not have the expected form"],
            id="a line break",
        ),
        pytest.param(
            {"credential_source": {"executable": {"command": "sh"}}},
            ["credential_source.executable is not allowed"],
            id="a program",
        ),
        pytest.param(
            {"credential_source": {"url": "http://169.254.169.254/x"}},
            ["credential_source.url does not equal externalTokenEndpoint"],
            id="an address that the store does not name",
        ),
        pytest.param(
            {"credential_source": AWS | {"environment_id": "gcp1"}},
            ["credential_source.environment_id does not start with aws"],
            id="an environment that is not AWS",
        ),
        pytest.param(
            {"credential_source": AWS | {"url": "http://evil.example/latest/meta-data/iam/security-credentials"}},
            ["credential_source.url is not the AWS metadata service"],
            id="metadata from elsewhere",
        ),
        pytest.param(
            {"credential_source": AWS | {"url": "http://169.254.169.254/latest/user-data"}},
            ["credential_source.url is not the AWS metadata service"],
            id="another path of the metadata service",
        ),
        pytest.param(
            {"credential_source": AWS | {"region_url": "http://x@169.254.169.254:99999/latest"}},
            ["credential_source.region_url is not the AWS metadata service"],
            id="a port that is none",
        ),
        pytest.param(
            {
                "credential_source": AWS
                | {"regional_cred_verification_url": "https://sts.amazonaws.com?Action=AssumeRole"}
            },
            ["credential_source.regional_cred_verification_url is not GetCallerIdentity of AWS STS"],
            id="another request to be signed",
        ),
        pytest.param(
            {"credential_source": {}}, ["credential_source names no source that a store may use"], id="no source"
        ),
        pytest.param(
            {"credential_source": {"file": federation.OWN_TOKEN}},
            ["credential_source names no source that a store may use"],
            id="the operator's own token",
        ),
        pytest.param(
            {"token_url": "https://sts.evil.example/v1/token"},
            ["a token from the operator's surroundings is exchanged at Google only"],
            id="a file of the operator for a stranger's token server",
        ),
        pytest.param(
            {"token_url": "https://sts.googleapis.com@evil.example/v1/token"},
            ["a token from the operator's surroundings is exchanged at Google only"],
            id="Google as a user name",
        ),
        pytest.param(
            {"universe_domain": "evil.example"},
            ["a token from the operator's surroundings is exchanged at Google only"],
            id="another universe",
        ),
    ],
)
def test_a_configuration_that_a_store_may_not_have(changes: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(InvalidConfig) as refused:
        federation.of_config(config(**changes), {})
    assert str(refused.value).split("\n") == [REFUSED, *lines]


def test_a_header_that_belongs_to_the_connection_is_refused() -> None:
    source = {"url": "https://idp.example.com", "headers": {"Host": "metadata.google.internal"}}
    with pytest.raises(InvalidConfig, match="belongs to the connection"):
        federation.of_config(config(credential_source=source), {"externalTokenEndpoint": source["url"]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"planted", "the external_account configuration is no JSON object"),
        (b'["planted"]', "the external_account configuration is no JSON object"),
        (
            b'{"type":"service_account"}',
            'invalid credentials: \'type\' field is "service_account" (expected "external_account")',
        ),
        (b'{"type":"planted with spaces"}', 'invalid credentials: \'type\' field is "?" (expected "external_account")'),
        (b"{}", 'invalid credentials: \'type\' field is "?" (expected "external_account")'),
    ],
)
def test_a_text_that_is_no_configuration(text: bytes, said: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        federation.of_config(text, {})
    assert said in str(refused.value)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        {"file": ["x"]},
        {"url": {"x": 1}},
        {"environment_id": 7},
        "text",
        [1],
        {"file": "/f", "format": "json"},
        {"file": "/f", "format": {"type": "json", "subject_token_field_name": 7}},
    ],
)
def test_members_of_another_type_are_as_good_as_absent(source: Any) -> None:
    text = config(credential_source=source, service_account_impersonation={"token_lifetime_seconds": "x"})
    if isinstance(source, dict) and source.get("file") == "/f":
        assert federation.of_config(text, {}).source == FromFile("/f", Form())
    else:
        with pytest.raises(InvalidConfig):
            federation.of_config(text, {})


def test_the_operators_own_configuration_may_name_its_token_file_and_its_universe() -> None:
    source = {"file": federation.OWN_TOKEN}
    found = federation.of_operator(federation.parsed(config(credential_source=source, universe_domain="apis.example")))
    assert (found.token_url, found.source) == (
        "https://sts.apis.example/v1/token",
        FromFile(federation.OWN_TOKEN, Form()),
    )


COUNT = (
    "invalid workloadIdentityFederation config: exactly one of credConfig, awsSecurityCredentials or serviceAccountRef "
    "must be provided"
)
NO_AUDIENCE = (
    "invalid workloadIdentityFederation config: audience must be provided, when serviceAccountRef or "
    "awsSecurityCredentials is provided"
)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param({}, COUNT, id="none"),
        pytest.param({"credConfig": {}, "serviceAccountRef": {}}, COUNT, id="two"),
        pytest.param({"serviceAccountRef": {}}, NO_AUDIENCE, id="an account without an audience"),
        pytest.param({"awsSecurityCredentials": {}}, NO_AUDIENCE, id="AWS keys without an audience"),
    ],
)
def test_a_store_names_one_source(block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        federation.source_of(block)
    assert str(refused.value) == text


def test_a_store_with_a_source_of_its_own() -> None:
    block = {"audience": AUDIENCE}
    assert federation.of_store(block, JWT, "a@b.iam.gserviceaccount.com").impersonate == IMPERSONATE
    own = federation.of_store(block | {"gcpServiceAccountEmail": "a@b.iam.gserviceaccount.com"}, JWT, "x@y.example")
    assert own.impersonate == IMPERSONATE
    with pytest.raises(InvalidConfig, match="service_account_impersonation_url does not have the expected form"):
        federation.of_store(block, JWT, "a@evil.example")
