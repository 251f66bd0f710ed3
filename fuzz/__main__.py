"""`make fuzz`: run the local system, and send it schemathesis' requests."""

import os
import subprocess
import sys
from pathlib import Path

from token_broker_local.addresses import ACCESS_KEY, REGION, SECRET_KEY

HERE = Path(__file__).parent
PORT = os.environ.get("PORT", "23480")


def fuzz(command: str, seconds: str) -> int:
    """Return schemathesis' exit code, after at most *seconds* of fuzzing."""
    keys = {
        "FUZZ_ACCESS_KEY": ACCESS_KEY,
        "FUZZ_SECRET_KEY": SECRET_KEY,
        "FUZZ_REGION": REGION,
        "SCHEMATHESIS_HOOKS": "signed",
        "PYTHONPATH": str(HERE),
    }
    base = ["--config-file", str(HERE / "schemathesis.toml"), "run", "openapi.yaml"]
    options = ["--url", f"http://127.0.0.1:{PORT}", "--phases", "examples,coverage,fuzzing"]
    bounds = ["--max-time", seconds, "--max-examples", "50", "--continue-on-failure"]
    quiet = ["--warnings", "off", "--generation-database", "none"]
    arguments = [*base, *options, *bounds, *quiet]
    return subprocess.call([command, *arguments], env=os.environ | keys)  # noqa: S603 (make says what)


def main(command: str, seconds: str = "60") -> int:
    """Return the exit code: 1 if there is a finding."""
    system = subprocess.Popen(
        [sys.executable, "-m", "token_broker_local"],
        env=os.environ | {"PORT": PORT},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line for each call
        text=True,
    )
    try:
        is_ready = any(line.startswith("ready") for line in system.stdout or ())
        if is_ready:
            return fuzz(command, seconds)
        sys.stderr.write(
            f"The local system does not start. Another port? PORT={int(PORT) + 100} make fuzz\n"
        )
        return 1
    finally:
        system.terminate()
        system.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
