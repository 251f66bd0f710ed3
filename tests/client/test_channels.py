"""The two channels to the broker, API and functions: settings, signatures, errors of AWS."""

import asyncio
import json
import os
import sys
import traceback
from collections import ChainMap
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import quote

import boto3
import pytest
import yaml
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    ReadTimeoutError,
    TokenRetrievalError,
)

from tests.client.systems import Entrance, MakeBroker, refused, tries
from tests.servers import Server, answer, sends
from tests.waiting import PATIENCE_SECONDS
from token_broker_client import (
    AccessDenied,
    Broker,
    BrokerError,
    InvalidRequest,
    Unreachable,
    identity,
    transport,
)
from token_broker_client.cache import Cache
from token_broker_client.deadline import Deadline
from token_broker_client.functions import endpoint, names, payload
from token_broker_client.gateway import ROUTES, Gateway
from token_broker_client.request import FLOWS, Command
from token_broker_client.transport import Reply
from token_broker_local.addresses import REGION

API = "https://abc123.execute-api.eu-central-1.amazonaws.com/prod"


def gateway(url: str, **options: Any) -> Gateway:
    channel = Broker.from_url(url, **options)._channel
    assert isinstance(channel, Gateway)
    return channel


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (API, "eu-central-1"),
        ("https://abc-vpce-1.execute-api.us-east-1.amazonaws.com/prod", "us-east-1"),
        ("https://vpce-1.execute-api.us-east-1.vpce.amazonaws.com/prod", "us-east-1"),
        ("https://abc.execute-api.cn-north-1.amazonaws.com.cn/prod", "cn-north-1"),
        ("https://ABC.Execute-API.eu-west-1.amazonaws.com.:443/prod", "eu-west-1"),
    ],
)
def test_the_region_is_taken_from_the_url(url: str, region: str) -> None:
    """Not from the session. A given region that differs from the URL is refused."""
    session = boto3.Session("local", "local", region_name="eu-west-3")
    assert gateway(url, session=session).region == gateway(url, region=region).region == region
    with refused(
        InvalidRequest, f"region: is not eu-west-3, as the URL names {region}: leave it out"
    ):
        gateway(url, region="eu-west-3")


def test_a_custom_domain_uses_the_given_region_or_the_session_region(
    session: boto3.Session,
) -> None:
    """Also if the domain or path contains the name of AWS's."""
    own = f"https://{'a' * 63}.a_b-c.example.com"
    for url in (own, API.replace("/prod", ".example.com"), f"{own}/{API.removeprefix('https://')}"):
        assert gateway(url, region="eu-west-3").region == "eu-west-3"
    assert gateway(own, session=session).region == REGION


def test_a_custom_domain_uses_the_region_of_the_environment(
    bare_environment: pytest.MonkeyPatch,
) -> None:
    """As in Lambda; the error says if there is none."""
    with refused(InvalidRequest, "the URL names no region, so give it: region=…"):
        Broker.from_url("https://tokens.example.com")
    identity._botocore.cache_clear()
    bare_environment.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert gateway("https://tokens.example.com").region == "eu-north-1"


def test_the_default_session_of_boto3_gives_region_and_credentials(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a program has set one.

    The credentials are frozen: a renewal changes key, secret and token together.
    """
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    assert gateway("https://tokens.example.com").region == REGION
    found = identity.credentials(None)
    assert isinstance(found, ReadOnlyCredentials)
    assert found.access_key == "local"
    monkeypatch.delitem(sys.modules, "boto3")  # as in a program that has not imported it
    assert identity.read(None, lambda settings: settings) is identity._botocore(os.getpid())
    assert identity._botocore(os.getpid()) is not identity._botocore(0)


def test_a_signature_covers_the_whole_request(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Method, URL, headers, body, service, region and credentials."""
    one = {"method": "POST", "url": "https://api/1", "headers": {"x-api-key": "a"}, "data": b"a"}
    changes: list[dict[str, Any]] = [
        {},
        {"method": "PUT"},
        {"url": "https://api/2"},
        {"headers": {"x-api-key": "b"}},
        {"data": b"b"},
    ]
    other = boto3.Session("other", "other")
    ways: list[Any] = [(one | change, session, "lambda", REGION) for change in changes]
    ways += [(one, session, "execute-api", REGION), (one, session, "lambda", "us-east-1")]
    ways += [(one, other, "lambda", REGION)]
    sent: list[Any] = []
    monkeypatch.setattr(transport, "send", lambda request, *_: sent.append(request))
    deadline = Deadline.after(PATIENCE_SECONDS)
    for request, caller, service, region in ways:
        identity.send(AWSRequest(**request), caller, service, region, deadline)
    authorizations = (each.headers["Authorization"] for each in sent)
    assert len({each.rpartition("Signature=")[2] for each in authorizations}) == len(ways)


def test_each_call_uses_the_renewed_credentials() -> None:
    """Credentials of a role end within hours."""

    class Renewing:
        keys = count(1)

        def get_credentials(self) -> Credentials:
            return Credentials(f"key-{next(self.keys)}", "secret")

    session = cast("boto3.Session", Renewing())
    for number in (1, 2):
        assert identity.credentials(session).access_key == f"key-{number}"


@pytest.mark.parametrize("stage", ["X", "v1"])
@pytest.mark.parametrize("ends", ["", "/", "/v1", "//v1/ "])
def test_a_slash_or_v1_after_the_stage_of_the_url_is_ignored(ends: str, stage: str) -> None:
    """A stage may be called v1. A custom domain has no stage in its URL."""
    own, deployed = "https://tokens.example.com", API.replace("/prod", f"/{stage}")
    assert gateway(f" {deployed}{ends}") == gateway(deployed)
    assert gateway(f"{deployed}{ends}").url == deployed
    assert gateway(f"{own}{ends}", region="eu-west-1").url == own


def test_a_dot_after_the_host_is_not_signed(session: boto3.Session) -> None:
    """As urllib3 sends no dot in `Host`: API Gateway refused each call."""
    url = "https://abc.execute-api.eu-west-1.amazonaws.com.:443/prod"
    assert Gateway.at(url, None, session) == Gateway.at(url.replace(".:", ":"), None, session)


def test_each_action_is_sent_to_its_route(session: boto3.Session, server: Server) -> None:
    """As openapi.yaml names it, with a body only if it is not empty."""
    paths = yaml.safe_load((Path(__file__).parents[2] / "openapi.yaml").read_text())["paths"]
    routes = {
        operation["operationId"].removeprefix("editor").lower(): (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith("/v1/editor/") and "operationId" in operation
    }
    server.behaviour = sends(answer(b"{}"))
    channel = gateway(f"{server.url}/prod", session=session)
    for action in ROUTES:
        method, path = routes.pop(action)
        for body, ends in (({}, b"\r\n\r\n"), ({"a": 1}, b'\r\n\r\n{"a": 1}')):
            channel.call(Command("editor", "acme", action, body), Deadline.after(PATIENCE_SECONDS))
            sent = server.requests[-1]
            line = f"{method} /prod{path} HTTP/1.1".format(connection="acme")
            assert sent.partition(b"\r\n")[0].decode() == line
            assert sent.endswith(ends)
    assert routes == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://abc123.execute-api.eu-central-1.amazonaws.com/prod",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://192.168.0.1",
        "http://[fe80::1]",
        "http://notlocalhost",
        "http://localhost.example.com",
        "abc123.execute-api.eu-central-1.amazonaws.com",
        "ftp://tokens.example.com",
        "",
        "https://",
        "https://user@tokens.example.com",
        "https://tokens.example.com/?stage=prod",
        "https://a..b/prod",
        "https://.example.com",
        "https://-a.example.com",
        f"https://{'a' * 64}.example.com",
        "https://bücher.example.com",
        "https://tokens.example.com:0",
        "https://tokens.example.com/pr od",
        "https://tokens.example.com/prod#v1",
        "https://@tokens.example.com",
        "https://tokens.exam\nple.com",
        "https://tokens.example.com:65536",
        "https://tokens.example.com:x",
        "https://[::1",
        "https://to\u212aens.example.com",
        None,
    ],
)
def test_an_invalid_api_url_is_refused_at_once(url: Any) -> None:
    """With an InvalidRequest, which is a `ValueError` as well; no call is made."""
    with refused(
        InvalidRequest, "the URL must begin with https:// and a host, and may have a path"
    ) as caught:
        Broker.from_url(url, region="eu-west-1")
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("region", ["eu west", "eu-west-1\r\nX: y", "EU", "a" * 41, 5])
def test_an_invalid_region_is_refused_at_once(region: Any) -> None:
    with refused(InvalidRequest, "region: must be one of AWS's, like eu-west-1"):
        Broker.from_url("https://tokens.example.com", region=region)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_http_without_tls_is_allowed_for_local_hosts(host: str) -> None:
    assert gateway(f"http://{host}", region="eu-west-1").url == f"http://{host}"


ARN = "arn:aws:lambda:eu-west-1:123456789012:function:token-broker-prod"


@pytest.mark.parametrize(
    ("named", "vendorlinks"),
    [
        ("token-broker-prod", "token-broker-prod-vendorlink"),
        ("token-broker-X-", "token-broker-X-vendorlink"),
        (ARN, f"{ARN}-vendorlink"),
        ("token-broker-prod-{flow}:live", "token-broker-prod-vendorlink:live"),
        ("{flow}-tokens", "vendorlink-tokens"),
        ("tokens-{flow}:{flow}-live", "tokens-vendorlink:vendorlink-live"),
        ("token-broker-prod-{flow}:team-editor", "token-broker-prod-vendorlink:team-editor"),
        ("token-broker-editor-{flow}:live", "token-broker-editor-vendorlink:live"),
        (f"{ARN}-{{flow}}:team-vntana", f"{ARN}-vendorlink:team-vntana"),
        (f"{ARN}-{{flow}}", f"{ARN}-vendorlink"),
        ({"vendorlink": "mine", "editor": "other"}, "mine"),
    ],
)
def test_functions_are_named_by_a_prefix_a_template_an_arn_or_a_mapping(
    named: Any, vendorlinks: str
) -> None:
    assert dict(names(named))["vendorlink"] == vendorlinks
    assert "vntana" in dict(names(named)) or isinstance(named, dict)


@pytest.mark.parametrize("named", ["token-broker-prod", "token-broker-editor", ARN])
@pytest.mark.parametrize("rest", ["-vntana", "-vntana:live", ":live"])
def test_a_function_name_with_an_ambiguous_flow_is_refused(named: str, rest: str) -> None:
    """A stage or an alias may have the name of a flow."""
    with refused(InvalidRequest, "functions: put {flow} where the names have the flow"):
        Broker.from_function(f"{named}{rest}")


def test_a_flow_without_a_function_is_an_invalid_request() -> None:
    broker = Broker.from_function({"vntana": "mine"})
    with refused(InvalidRequest, "editor: no function was named for it"):
        broker.editor("acme", parameters={"userId": "1"})


def test_a_function_is_invoked_in_the_region_of_its_arn(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the region of the session."""
    session = boto3.Session("local", "local", region_name="us-east-1")
    server.behaviour = sends(answer(b'{"forgotten": 1}'))
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
    regions: dict[Any, str] = {"vntana": "eu-west-1", "editor": "us-gov-west-1"}
    arns = {
        flow: f"arn:aws-us-gov:lambda:{regions[flow]}:123456789012:function:f" for flow in regions
    }
    broker = Broker.from_function(arns | {"vendorlink": "a/b"}, session=session)
    for flow, code in (regions | {"vendorlink": "us-east-1"}).items():
        assert broker.forget(flow, "acme") == 1
        sent = server.requests[-1].decode()
        assert f"/{code}/lambda/aws4_request" in sent
        named = quote(arns.get(flow, "a/b"), safe="")
        assert sent.startswith(f"POST /2015-03-31/functions/{named}/invocations HTTP/1.1")
        assert json.loads(sent.splitlines()[-1]) == {"connection": "acme", "action": "forget"}


def test_no_field_of_a_call_changes_its_action_or_connection() -> None:
    """The payload of a direct invocation has the fields beside both."""
    command = Command("vntana", "acme", "token", {"action": "forget", "connection": "other"})
    assert payload(command) == {"action": "token", "connection": "acme"}


@pytest.mark.parametrize(
    "connection", ["", "Acme", "../acme", "a/b", "-acme", "a" * 64, "acmé", "acme\n", None, 5]
)
def test_an_invalid_connection_name_is_refused_without_a_call(connection: Any) -> None:
    """The name becomes part of a path. The longest name has 63 characters."""
    assert Broker.from_url(API).access("vntana", "a" * 63).connection == "a" * 63
    for call in (Broker.from_url(API).vntana, partial(Broker.from_url(API).status, "vntana")):
        with refused(InvalidRequest, "connection: must match [a-z0-9][a-z0-9-]{0,62}"):
            call(connection)


@pytest.mark.parametrize("flow", ["vntan", "", None, "../vntana"])
def test_an_unknown_flow_is_refused_without_a_call(flow: Any) -> None:
    with refused(InvalidRequest, f"flow: must be one of {', '.join(FLOWS)}"):
        Broker.from_url(API).access(flow, "acme")


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("min_ttl", ("60", [60], True, 1.5, -1), "must be a whole number of seconds, at least 0"),
        ("rejected", (5, ["a"], "", "0" * 15, "A" * 16), "must be a fingerprint: 16 hex digits"),
        ("force", ("yes", 1), "must be True or False"),
    ],
)
def test_impossible_options_are_refused_without_a_call(name: str, values: Any, text: str) -> None:
    for value in values:
        with refused(InvalidRequest, f"{name}: {text}"):
            Broker.from_url(API).vntana("acme", **{name: value})
        with refused(InvalidRequest, f"{name}: {text}"):
            asyncio.run(Broker.from_url(API).access("vntana", "a").answer_async(**{name: value}))
        with refused(InvalidRequest, f"{name}: is an argument of `answer`, not of `access`"):
            Broker.from_url(API).access("vntana", "acme", **{name: value})


def test_a_field_cannot_replace_the_action_of_a_direct_invocation() -> None:
    with refused(InvalidRequest, "action: is not a field of a variant"):
        Broker.from_url(API).access("vntana", "acme", action="forget")


def test_a_token_to_verify_that_is_no_text_is_refused_without_a_call() -> None:
    token: Any = b"token"
    with refused(InvalidRequest, "token: must be a text"):
        Broker.from_url(API).verify("acme", token)


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_parameters_that_are_not_json_are_refused_without_a_call(value: object) -> None:
    with refused(InvalidRequest, "organization, workspace: cannot be written as JSON"):
        Broker.from_url(API).access("vntana", "acme", organization=value, workspace={"deep": value})


@pytest.mark.usefixtures("bare_environment")
def test_a_function_without_a_region_is_an_invalid_request() -> None:
    """A missing setting is not retryable."""
    broker = Broker.from_function("token-broker", session=boto3.Session("local", "local"))
    message = "no region: name the function by its ARN, or set AWS_DEFAULT_REGION"
    with refused(InvalidRequest, message):
        broker.vntana("acme")


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1", "mars-north-1"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_ENDPOINT_URL": "https://all.example/"},
        {"AWS_ENDPOINT_URL_LAMBDA": "https://one.example", "AWS_ENDPOINT_URL": "https://all"},
        {"AWS_PROFILE": "own"},
        {"AWS_PROFILE": "own", "AWS_ENDPOINT_URL": "https://all.example"},
        {"AWS_PROFILE": "services"},
        {"AWS_PROFILE": "own", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    ],
    ids=lambda settings: "+".join(settings) or "none",
)
def test_the_address_of_lambda_is_that_of_boto3(
    region: str, settings: dict[str, str], bare_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile own]\nendpoint_url = https://own.example/X/\n"
        "[profile services]\nservices = ours\nendpoint_url = https://own.example\n"
        "[services ours]\nlambda =\n  endpoint_url = https://lambda.example\n"
    )
    for name, value in ({"AWS_CONFIG_FILE": str(config)} | settings).items():
        bare_environment.setenv(name, value)
    session = boto3.Session("local", "local", region_name=region)
    expected = session.client("lambda").meta.endpoint_url.rstrip("/")
    assert identity.read(session, partial(endpoint, region)) == expected


def of_sts(status: int) -> ClientError:
    response = {"Error": {"Message": "s3cret"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(cast("Any", response), "AssumeRole")


STS: dict[str, Any] = {"endpoint_url": "https://s3cret"}
OF_ROLE: dict[str, Any] = {"provider": "sso", "error_msg": "s3cret"}


UNREADABLE = "the AWS credentials or settings cannot be read"


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        ("", "there are no AWS credentials: boto3's chain found none"),
        (
            "role_arn = arn:aws:iam::1:role/caller\nweb_identity_token_file = /dev/null/absent",
            f"{UNREADABLE} (NotADirectoryError)",
        ),
        ("credential_process = /absent", f"{UNREADABLE} (FileNotFoundError)"),
        ("credential_process = /bin/echo s3cret", f"{UNREADABLE} (JSONDecodeError)"),
    ],
)
def test_credentials_that_are_missing_or_cannot_be_read_raise_access_denied(
    settings: str, detail: str, bare_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """boto3 raises Python's own errors for a pod's token file and for a profile's program."""
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = {REGION}\n{settings}\n")
    bare_environment.setenv("AWS_CONFIG_FILE", str(config))
    for broker in (Broker.from_url("http://127.0.0.1:9"), Broker.from_function("token-broker")):
        with refused(AccessDenied, detail) as caught:
            broker.vntana("acme")
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_setting_is_none(value: str | None) -> None:
    """An empty name of a CA bundle would switch the check of certificates off."""

    class Session:
        def get_config_variable(self, _: str) -> str | None:
            return value

    assert identity.setting(cast("boto3.Session", Session()), "ca_bundle") is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (of_sts(403), AccessDenied),
        (of_sts(429), Unreachable),
        (of_sts(500), Unreachable),
        (TokenRetrievalError(**OF_ROLE), AccessDenied),
        (ConnectTimeoutError(**STS), Unreachable),
        (ReadTimeoutError(**STS), Unreachable),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_error_while_a_role_is_assumed_is_retryable_if_it_is_one_of_the_network(
    error: Exception, kind: type[BrokerError]
) -> None:
    """boto3 calls STS for the first credentials: once, and not again for the error's text."""
    calls = []

    class Denied:
        def get_config_variable(self, name: str) -> str | None:
            return {"region": REGION}.get(name)

        def get_credentials(self) -> Any:
            calls.append(1)
            raise error

    session = cast("boto3.Session", Denied())
    with refused(kind, f"{UNREADABLE} ({type(error).__name__})") as caught:
        Broker(gateway(API, session=session), tries(1), Cache()).vntana("acme")
    assert (caught.value.retryable, len(calls)) == (kind.retryable, 1)


DENIED = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, 400) for code in DENIED),
        ("AnyException", 403),
        *(("AnyException", status) for status in (201, 301, 400, 401, 404, 413, 499)),
        *(("AnyException", status) for status in (429, 500, 502, 504)),
    ],
)
def test_each_error_of_aws_has_a_class_and_retryability(
    code: str, status: int, make_broker: MakeBroker, entrance: Entrance, server: Server
) -> None:
    """Code and status are passed on, not the text. Only temporary errors are retried.

    No redirect is followed, with GET or POST.
    """
    is_temporary = status in (429, 500, 502, 504)
    is_denied = code in DENIED or status == 403
    kind, passed_on = (AccessDenied, 403) if is_denied else (Unreachable, status)
    line = f"X-Amzn-Errortype: {code}:http://internal/"
    body = b'{"message": "s3cret canonical request"}'
    server.behaviour = sends(answer(body, f"Location: {server.url}/", line, status=f"{status} X"))
    for call in (Broker.vntana, partial(Broker.status, flow="vntana")):
        server.requests.clear()
        with pytest.raises(BrokerError) as caught:
            call(make_broker(server.url, tries(2)), connection="acme")
        error = caught.value
        assert (type(error), error.status, error.retryable) == (kind, passed_on, is_temporary)
        assert len(server.requests) == 1 + is_temporary
        who = {"url": "API Gateway", "function": "Lambda, for token-broker-vntana,"}[entrance]
        said = f"refused the call ({status} {code})" if is_denied else f"answered {status} {code}"
        begin, signer, _ = error.detail.partition(": the call was signed for ")
        assert begin == f"{who} {said}" + (", not the broker" if kind is Unreachable else "")
        assert bool(signer) is (status >= 400 and not is_temporary)
        assert "s3cret" not in "".join(traceback.format_exception(error))


USER = "User: arn:aws:sts::111122223333:assumed-role/orders/s3cret is not authorized to perform: "
MISSING = "Function not found: arn:aws:lambda:eu-north-1:111122223333:function:s3cret"
KNOWN = "the call was signed for eu-north-1 by account 111122223333"
UNKNOWN = "the call was signed for eu-north-1"


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    ("content", "account", "end"),
    [
        ({"Message": f"{USER}execute-api:Invoke"}, None, KNOWN),
        ({"message": f"{USER}lambda:InvokeFunction"}, "444455556666", KNOWN),
        ({"message": "User: arn:aws-us-gov:iam::111122223333:user/s3cret is not"}, None, KNOWN),
        ({"message": "User: arn:aws-cn:iam::111122223333:root is not"}, None, KNOWN),
        ({"message": "User: arn:aws:sts::111122223333:federated-user/s3cret"}, None, KNOWN),
        ({"Message": MISSING}, None, KNOWN),
        ({"message": "Forbidden"}, "111122223333", KNOWN),
        ({"message": "Forbidden"}, None, UNKNOWN),
        ({"message": ["s3cret"]}, None, UNKNOWN),
        (["s3cret"], None, UNKNOWN),
        ({"message": f"s3cret {USER}"}, None, UNKNOWN),
        ({"message": f'"message": "{USER}'}, None, UNKNOWN),
    ],
)
def test_a_refusal_names_the_account_that_signed(
    content: Any, account: str | None, end: str, status: int
) -> None:
    """A wrong profile is the usual cause. The account is in AWS's text or in the credentials.

    Forms: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html.
    Nothing else of the text is passed on, and no further call is made.
    """
    session = boto3.Session("local", "local", aws_account_id=account)
    reply = Reply(status, {}, json.dumps(content).encode())
    error = identity.refusal("AWS", reply, session, "eu-north-1")
    begin = "refused the call (403)" if status == 403 else "answered 404, not the broker"
    assert error.detail == f"AWS {begin}: {end}"
    assert "s3cret" not in str(error)


def test_callers_share_a_cached_token_only_if_session_and_parameters_are_equal(
    session: boto3.Session,
) -> None:
    """Parameters are equal in any order and type of mapping; empty ones differ from none."""
    own = Broker.from_url(API, session=session)
    patient = Broker.from_url(API, session=session, patience=1)
    other = Broker.from_url(API, session=boto3.Session("other", "other", region_name=REGION))
    nested = {"userId": "1", "deep": {"a": [{"b": 1}]}}
    deep = ChainMap({"a": [MappingProxyType({"b": 1})]})
    equal = (nested, dict(reversed(nested.items())), MappingProxyType(nested | {"deep": deep}))
    groups = [
        {own.access("vntana", "acme").key, patient.access("vntana", "acme", workspace=None).key},
        {other.access("vntana", "acme").key},
        {own.access("vntana", "acme", workspace="a").key},
        {own.access("editor", "acme", parameters=each).key for each in equal},
        *({own.access("editor", "acme", parameters={"x": value}).key} for value in (1, True)),
        {own.access("editor", "acme", parameters={}).key},
        {own.access("editor", "acme").key},
    ]
    assert [len(keys) for keys in groups] == [1] * len(groups)
    assert len(set().union(*groups)) == len(groups)


@pytest.mark.parametrize("key", ["k" * 256, None])
def test_the_api_key_of_a_team_is_sent_and_signed(
    session: boto3.Session, server: Server, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """Without the variable TOKEN_BROKER_API_KEY the header is not sent."""
    if key:
        monkeypatch.setenv("TOKEN_BROKER_API_KEY", key)
    server.behaviour = sends(answer(b'{"forgotten": 0}'))
    Broker.from_url(server.url, region="eu-north-1", session=session).forget("vntana", "acme")
    request = server.requests[0].decode()
    assert "/eu-north-1/execute-api/aws4_request" in request
    assert (f"x-api-key: {key}" in request) is bool(key)
    assert (";x-api-key" in request) is bool(key)


@pytest.mark.parametrize("key", ["ключ", "a b", "a\r\nX: y", " k", "k" * 257])
def test_an_invalid_api_key_of_a_team_is_refused(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """The error names the variable, not its value."""
    monkeypatch.setenv("TOKEN_BROKER_API_KEY", key)
    with refused(InvalidRequest, "the variable TOKEN_BROKER_API_KEY: must be printable ASCII"):
        Broker.from_url(API, session=session).vntana("acme")


def test_wrong_settings_of_boto3_are_invalid_requests(
    bare_environment: pytest.MonkeyPatch,
) -> None:
    """A missing profile, and an endpoint that is not a URL."""
    bare_environment.setenv("AWS_PROFILE", "not-there")
    for call in (
        lambda: Broker.from_url("https://tokens.example.com"),
        lambda: Broker.from_url(API).vntana("acme"),
        lambda: Broker.from_function("arn:aws:lambda:eu-west-1:1:function:t").vntana("acme"),
    ):
        with refused(AccessDenied, f"{UNREADABLE} (ProfileNotFound)"):
            call()
    bare_environment.delenv("AWS_PROFILE")
    bare_environment.setenv("AWS_ENDPOINT_URL_LAMBDA", "nonsense")
    session = boto3.Session("local", "local", region_name=REGION)
    with refused(InvalidRequest, "boto3's settings: its endpoint is no address"):
        Broker.from_function("token-broker", session=session).vntana("acme")
