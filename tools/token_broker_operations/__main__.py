"""`make operations`: write the alarms and the dashboard into the template."""

import re
from pathlib import Path

import yaml

from token_broker_operations import alarms, dashboard

TEMPLATE = Path("template.yaml")
BLOCK = re.compile(
    r"(?P<head>  # --- what is watched: [^\n]*\n\n).*?(?P<foot>  # --- end of what is made)",
    re.DOTALL,
)


class Dumper(yaml.SafeDumper):
    """Writes a text of several lines as one."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (the base's signature)
        """CloudFormation knows no aliases."""
        return True


def literal(dumper: Dumper, text: str) -> yaml.ScalarNode:
    """Return *text* in block style if it has lines."""
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, literal)


def generated() -> str:
    """Return the block of the template that is generated."""
    watched = dict(alarms.resources())
    named = [name for name in watched if name.endswith("Alarm")]
    watched["Dashboard"] = dashboard.resource(named)
    blocks = (
        yaml.dump({name: body}, Dumper=Dumper, sort_keys=False, default_flow_style=None, width=150)
        for name, body in watched.items()
    )
    return "\n".join(re.sub(r"(?m)^(?=.)", "  ", block) for block in blocks) + "\n"


def written(template: str) -> str:
    """Return *template* with the block in it as it should be."""
    return BLOCK.sub(lambda block: block["head"] + generated() + block["foot"], template)


def main() -> None:
    """Rewrite the block in place."""
    TEMPLATE.write_text(written(TEMPLATE.read_text()))


if __name__ == "__main__":
    main()
