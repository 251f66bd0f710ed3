"""AWS and the vendors on loopback, for functions that use their real host names.

moto answers for AWS's host names over TLS: `redirected` connects a function's sockets to it. Its
certificate authority has a name like Amazon's and is added to the machine's authorities, so loading
them costs as much as in Lambda.
"""

import datetime as dt
import json
import multiprocessing
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.wsgi import Remembering, serving
from token_broker_fakes.editor import FakeEditor
from token_broker_fakes.fake import Fake
from token_broker_fakes.vendorlink import FakeVendorlink
from token_broker_fakes.vntana import FakeVntana
from token_broker_local import provisions
from token_broker_local.addresses import KEY_ALIAS, REGION, STAGE, TABLE, secret_name
from token_broker_local.services import Atomic, Dispatcher

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

NAMES = [f"{name}.{REGION}.amazonaws.com" for name in ("dynamodb", "kms", "secretsmanager")]
BODIES: Mapping[str, Mapping[str, Any]] = {
    "vntana": {},
    "vendorlink": {},
    "editor": {"parameters": {"userId": "42"}},
}
"""The request body for each flow's demo connection."""


@dataclass(frozen=True)
class Cloud:
    """The running services and their addresses."""

    environment: dict[str, str]
    fakes: Mapping[str, Fake[Any]]
    url: str
    """The URL of AWS's services without TLS."""
    aws: Remembering
    """The services, which count their requests."""

    def client(self, service: str) -> Any:
        """Return boto3's client of a service."""
        return client(service, self.url)

    def forget(self) -> None:
        """Empty the table."""
        table = self.client("dynamodb")
        for item in table.scan(TableName=TABLE)["Items"]:
            key = {name: item[name] for name in ("connection", "variant")}
            table.delete_item(TableName=TABLE, Key=key)


def client(service: str, url: str) -> Any:
    """Return boto3's client of one of AWS's services at *url* on loopback."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


@contextmanager
def running() -> Iterator[Cloud]:
    """Run all services during the context, with a secret for each flow."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        fakes: dict[str, Fake[Any]] = {
            "vntana": FakeVntana(),
            "vendorlink": FakeVendorlink(),
            "editor": FakeEditor(),
        }
        for fake in fakes.values():
            stack.enter_context(fake.serve())
        bundle, chain = certificates(folder)
        application = Remembering(Atomic(Dispatcher()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        secure = stack.enter_context(serving(application, context)).server_port
        plain = stack.enter_context(serving(application)).server_port
        cloud = Cloud(
            environment(folder, bundle, secure), fakes, f"http://127.0.0.1:{plain}", application
        )
        provisions.create_table(cloud.client("dynamodb"))
        provisions.create_key(cloud.client("kms"))
        for flow, fake in fakes.items():
            document = demo_secret(fake)
            name = secret_name(flow, provisions.DEMO)
            cloud.client("secretsmanager").create_secret(Name=name, SecretString=document)
        yield cloud


class Apart(NamedTuple):
    """Services in a separate process."""

    environment: Mapping[str, str]
    forget: Callable[[], None]
    """Empties the table."""


@contextmanager
def apart() -> Iterator[Apart]:
    """Run all services in a separate process during the context."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,))
    process.start()
    there.close()

    def forget() -> None:
        here.send("forget")
        here.recv()

    try:
        yield Apart(here.recv(), forget)
    finally:
        here.close()  # which ends it
        process.join()


def _serve(pipe: "Connection[Any, Any]") -> None:
    with running() as cloud, suppress(EOFError):
        pipe.send(cloud.environment)
        while pipe.recv():
            cloud.forget()
            pipe.send("done")


def demo_secret(fake: Any) -> str:
    """Return the demo's secret for *fake* as text."""
    return json.dumps(type(fake).demo_secret(fake.url))


def environment(folder: Path, bundle: Path, port: int) -> dict[str, str]:
    """Return the template's environment variables, and those for this cloud's address and trust."""
    config = folder / "config"
    config.write_text(f"[default]\nca_bundle = {bundle}\n")
    return {
        "TABLE_NAME": TABLE,
        "KEY_ID": KEY_ALIAS,
        "STAGE": STAGE,
        "MEMORY_SECONDS": "300",
        "MEMORY_ENTRIES": "1000",
        "LEASE_SKEW_SECONDS": "30",
        "INTERNAL_HOSTS": "",
        "POWERTOOLS_SERVICE_NAME": "token-broker",
        "POWERTOOLS_METRICS_NAMESPACE": "TokenBroker",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "session",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(config),  # which only boto3 reads
        "SSL_CERT_FILE": str(bundle),  # which OpenSSL reads, and boto3 does not
        "REDIRECTED_TO": str(port),
    }


def certificates(folder: Path) -> tuple[Path, Path]:
    """Write the machine's authorities with a new one added, and a chain that this one signed."""
    now = dt.datetime.now(dt.UTC)
    authority, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    names = [f"{kind} of these benchmarks" for kind in ("Amazon Root CA 9", "AWS")]
    issuer, subject = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in names)
    known = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())

    def signed(who: x509.Name, public: Any, *, is_authority: bool) -> bytes:
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        ) | {"encipher_only": False, "decipher_only": False, "digital_signature": not is_authority}
        made = (
            x509.CertificateBuilder()
            .subject_name(who)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(**usage, key_cert_sign=is_authority, crl_sign=is_authority),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known),
                critical=False,
            )
        )
        if not is_authority:
            alternatives = [x509.DNSName(name) for name in NAMES]
            made = made.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return made.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    bundle, chain = folder / "bundle.pem", folder / "chain.pem"
    trusted = Path(ssl.get_default_verify_paths().cafile or "").read_bytes()
    own = signed(issuer, authority.public_key(), is_authority=True)
    bundle.write_bytes(trusted + own)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(private + signed(subject, key.public_key(), is_authority=False))
    return bundle, chain
