"""`token-broker`: what an operator does with the broker. docs/cli.md shows it at work.

What a command does is imported when it runs: `--help` and completion come at once.
"""

from enum import StrEnum
from typing import Annotated, Any

import typer

from token_broker_cli import sharing
from token_broker_cli.desk import Desk
from token_broker_cli.sharing import command
from token_broker_cli.tokens import Form
from token_broker_cli.vault import checked

EPILOG = (
    "Exit codes: 0 done, 1 refused by broker, vendor or AWS (the code is named), 2 wrong usage."
)


class Flow(StrEnum):
    """The vendors."""

    VNTANA = "vntana"
    VENDORLINK = "vendorlink"
    EDITOR = "editor"


FlowName = Annotated[Flow, typer.Argument(metavar="FLOW", help="vntana, vendorlink or editor.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The connection, like acme.")]

app = typer.Typer(
    name="token-broker",
    cls=sharing.Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


@app.callback()
def main(
    ctx: typer.Context,
    *,
    local: sharing.Local = False,
    port: sharing.Port = None,
    stage: sharing.Stage = None,
    url: sharing.Url = None,
    stack: sharing.Stack = None,
    region: sharing.Region = None,
    profile: sharing.Profile = None,
    json: sharing.Json = False,
) -> None:
    """Look after the connections of Token Broker, and ask it for tokens.

    The options below may stand before a command or behind it.
    """
    ctx.obj = sharing.shared(
        local=local,
        port=port,
        stage=stage,
        url=url,
        stack=stack,
        region=region,
        profile=profile,
        json=json,
    )


@app.command()
@command
def connect(
    desk: Desk,
    flow: FlowName,
    name: Name,
    *,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read the secret's JSON; - is stdin.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Try it at the vendor before storing it.")
    ] = True,
    kms_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Seal a new secret with this KMS key.")
    ] = None,
) -> None:
    """Add a connection, or change one: asks, checks, tries, stores."""
    from token_broker_cli import connect as page  # noqa: PLC0415 (see above)

    page.connect(desk, flow, checked(name), file, check=check, key=kms_key)


@app.command()
@command
def connections(desk: Desk) -> int:
    """List all connections and how their tokens fare."""
    from token_broker_cli import connections as page  # noqa: PLC0415 (see above)

    return page.connections(desk)


@app.command()
@command
def status(desk: Desk, flow: FlowName, name: Name) -> None:
    """Show all that is known of a connection."""
    from token_broker_cli import status as page  # noqa: PLC0415 (see above)

    page.status(desk, flow, checked(name))


@app.command()
@command
def explain(desk: Desk, flow: FlowName, name: Name) -> None:
    """Say what a call would do now, and why."""
    from token_broker_cli import status as page  # noqa: PLC0415 (see above)

    page.explain(desk, flow, checked(name))


@app.command()
@command
def token(
    desk: Desk,
    flow: FlowName,
    name: Name,
    *,
    min_ttl: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="It must still live this long.")
    ] = None,
    organization: Annotated[str | None, typer.Option(help="VNTANA: uuid or slug.")] = None,
    workspace: Annotated[str | None, typer.Option(help="VNTANA: uuid or slug.")] = None,
    parameters: Annotated[
        str | None, typer.Option(metavar="JSON", help="Editor: an object.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Have a new one made.")] = False,
    form: Annotated[Form, typer.Option("--format", help="What to print.")] = Form.CURL,
    show: Annotated[bool, typer.Option("--show", help="Unmasked, on a terminal too.")] = False,
) -> None:
    """Print a live token: masked on a terminal, as it is in a pipe."""
    from token_broker_cli import tokens as page  # noqa: PLC0415 (see above)

    wishes: dict[str, Any] = {
        "min_ttl": min_ttl,
        "organization": organization,
        "workspace": workspace,
        "parameters": page.parameters(parameters),
        "force": force or None,
    }
    body = {key: value for key, value in wishes.items() if value is not None}
    chosen = Form.JSON if desk.screen.json else form
    page.token(desk, flow, checked(name), body, chosen, show=show)


@app.command()
@command
def forget(
    desk: Desk,
    flow: FlowName,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Drop the tokens of a connection, end their sessions, lift its latch."""
    from token_broker_cli import forget as page  # noqa: PLC0415 (see above)

    page.forget(desk, flow, checked(name), sure=yes)


@app.command()
@command
def verify(
    desk: Desk,
    name: Name,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read the token from there; - is stdin.")
    ] = None,
) -> int:
    """Ask the editor's vendor what a token stands for."""
    from token_broker_cli import verify as page  # noqa: PLC0415 (see above)

    return page.verify(desk, checked(name), file)


@app.command()
@command
def doctor(desk: Desk) -> int:
    """Check everything between you and a token, and say what to do."""
    from token_broker_cli import doctor as page  # noqa: PLC0415 (see above)

    return page.doctor(desk)
