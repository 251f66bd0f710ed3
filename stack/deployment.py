"""The stack, deployed by the code that `make deploy` runs."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.account import Account
from stack.places import NAME, ROOT, STAGE

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]

ANSWERS = """
[{stage}.deploy.parameters]
capabilities = "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"
confirm_changeset = false
fail_on_empty_changeset = false
resolve_s3 = true
parameter_overrides = {overrides}
"""
"""What `--guided` would have saved."""


@dataclass(frozen=True)
class Deployment:
    """The stack of what is in the folder *built*, by *sam*."""

    account: Account
    built: Path
    sam: Path

    def deploy(self, **parameters: str) -> dict[str, str]:
        """Deploy with *parameters*, and return the outputs; a failure ends the run."""
        folder = self.account.places.folder / "deployment"
        self.prepare(folder, parameters)
        command = [sys.executable, "-m", "token_broker_operations.deploy"]
        done = subprocess.run(
            [*command, self.sam, STAGE, ARCHITECTURE],
            cwd=folder,
            env=os.environ | self.account.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return self.account.outputs(NAME)

    def prepare(self, folder: Path, parameters: Mapping[str, str]) -> None:
        """Make *folder* what the repository is to `make deploy`: a built template, and settings."""
        (folder / ".aws-sam").mkdir(parents=True, exist_ok=True)
        link = folder / ".aws-sam/build"
        if not link.is_symlink():
            link.symlink_to(self.built.resolve())
        overrides = [f"{name}={shlex.quote(value)}" for name, value in parameters.items()]
        text = (ROOT / "samconfig.toml").read_text()
        answers = ANSWERS.format(stage=STAGE, overrides=overrides)
        (folder / "samconfig.toml").write_text(text + answers)

    def delete(self) -> None:
        """Delete the stack, and wait until it is gone."""
        cloudformation = self.account.client("cloudformation")
        cloudformation.delete_stack(StackName=NAME)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
