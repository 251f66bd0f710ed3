"""The stack, deployed and deleted by the code that `make deploy` and `make destroy` run."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from stack.account import Account
from stack.settings import NAME, ROOT, STAGE

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]


class NotDeployed(Exception):
    """The deployment was refused or failed. The message is the command's output."""


@dataclass(frozen=True)
class Deployment:
    """The stack of the artifacts in the folder *built*, deployed by *sam*."""

    account: Account
    built: Path
    sam: Path

    def deploy(self, **parameters: str) -> dict[str, str]:
        """Deploy with *parameters* added to the earlier ones, and return the outputs."""
        text = shlex.join(f"{name}={value}" for name, value in parameters.items())
        self.run("deploy", str(self.sam), STAGE, ARCHITECTURE, PARAMETERS=text)
        return self.account.outputs(NAME)

    def destroy(self) -> None:
        """Delete the stack."""
        self.run("destroy", STAGE)

    def run(self, target: str, *arguments: str, **variables: str) -> None:
        """Run the script of the make target *target* in a folder with the files that it reads."""
        result = subprocess.run(
            [sys.executable, "-m", f"token_broker_operations.{target}", *arguments],
            cwd=self.folder(),
            env=os.environ | self.account.environment() | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise NotDeployed(f"{result.stdout}{result.stderr}"[-4000:])

    def folder(self) -> Path:
        """Return a folder with the files that the scripts read; the settings persist in it."""
        folder = self.account.settings.folder / "repository"
        if not folder.exists():
            (folder / ".aws-sam").mkdir(parents=True)
            (folder / ".aws-sam/build").symlink_to(self.built.resolve())
            (folder / "template.yaml").symlink_to(ROOT / "template.yaml")
            shutil.copy(ROOT / "samconfig.toml", folder)
        return folder
