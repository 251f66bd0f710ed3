"""The Node example in `docs/calling.md` works, signed by aws4fetch."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.client.systems import System
from token_broker_fakes import FakeVntana
from token_broker_local.addresses import ACCESS_KEY, REGION, SECRET_KEY

ROOT = Path(__file__).parents[2]
NODE = shutil.which("node") or ""
PACKAGES = ROOT / ".tools/aws4fetch/node_modules"

pytestmark = pytest.mark.skipif(
    not (NODE and PACKAGES.exists()), reason="there is no Node on this machine"
)


def run(system: System, folder: Path, connection: str) -> subprocess.CompletedProcess[str]:
    """Run the page's program with a connection, as in a caller's function."""
    page = (ROOT / "docs/calling.md").read_text()
    (program := folder / "token.mjs").write_text(page.partition("```js\n")[2].partition("```")[0])
    (folder / "node_modules").symlink_to(PACKAGES)
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "TOKEN_BROKER_URL": system.url,
        "CONNECTION": connection,
    }
    return subprocess.run(
        [NODE, program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_node_example_gets_a_token_that_the_vendor_accepts(
    system: System, tmp_path: Path
) -> None:
    """From the signed call to the response of the vendor."""
    with FakeVntana().serve() as server:
        connection = system.connect("vntana", FakeVntana.demo_secret(server.url))
        done = run(system, tmp_path, connection)
    assert done.stdout.startswith("200 "), done.stderr


def test_the_node_example_prints_the_error_code(system: System, tmp_path: Path) -> None:
    """And fails with exit code 1."""
    done = run(system, tmp_path, "not-there")
    assert done.returncode == 1
    assert "unknown_connection" in done.stderr
