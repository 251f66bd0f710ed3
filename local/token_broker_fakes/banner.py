"""What `python -m token_broker_fakes` says when it is ready."""

import json
from collections.abc import Mapping
from typing import Any

from token_broker_descriptors import every
from token_broker_fakes.fake import Fake

COMMANDS = """\
Look        curl {url}/_control
Switch      curl -X PATCH {url}/_control -d '{{"modes": {{"{mode}": "{value}"}}}}'
Break       curl -X PATCH {url}/_control -d '{{"faults": [{{"kind": "drop", "step": "{step}"}}]}}'
Age         curl -X PATCH {url}/_control -d '{{"advance": 3600}}'
Log         curl {url}/_control/log
Ctrl-C ends them all.

ready"""
EXAMPLE = {"mode": "dead_token", "value": "401", "step": "login"}
"""Of VNTANA, which is the first flow."""


def banner(fakes: Mapping[str, Fake[Any]]) -> str:
    """Return where the fakes are, what logs in to them, and how they are switched."""
    lines = [line for name, fake in fakes.items() for line in lines_of(name, fake)]
    first = next(iter(fakes.values()))
    return "\n".join([*lines, "", COMMANDS.format(url=first.url, **EXAMPLE)])


def lines_of(name: str, fake: Fake[Any]) -> list[str]:
    """Return where one fake is, and a secret of the demo, which is no secret, to be stored."""
    secret = json.dumps(fake.demo_secret(fake.url), ensure_ascii=False)
    return [f"{every()[name].label:<11} {fake.url}", f"  {'secret':<9} {secret}"]
