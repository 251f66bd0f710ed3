"""`token-broker`, the operator's command; docs/cli.md shows examples.

What a command does is imported when it runs: `--help` and completion come at once.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from token_broker_cli import tokens
from token_broker_cli.command import Commands, command, with_shared_options
from token_broker_cli.context import Context
from token_broker_cli.fields import values, with_fields
from token_broker_cli.secrets import checked
from token_broker_cli.settings import FLOWS, Options
from token_broker_cli.tokens import Form
from token_broker_client.request import VERIFYING

EPILOG = (
    "Exit codes: 0 done, 1 refused by broker, vendor or AWS (the code is named), 2 wrong usage, "
    "130 Ctrl-C."
)


if TYPE_CHECKING:
    FlowName = str
else:
    FlowName = Annotated[
        StrEnum("Flow", {name.upper(): name for name in FLOWS}),
        typer.Argument(metavar="FLOW", help=f"{', '.join(FLOWS[:-1])} or {FLOWS[-1]}."),
    ]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The connection, like acme.")]

app = typer.Typer(
    name="token-broker",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


@app.callback()
@with_shared_options
def main(ctx: typer.Context, **options: Any) -> None:
    """Look after the connections of Token Broker, and ask it for tokens.

    The options below may stand before a command or behind it.
    """
    ctx.obj = Options(**options)


@app.command()
@command
def connect(
    context: Context,
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

    page.connect(context, flow, checked(name), file, check=check, key=kms_key)


@app.command()
@command
def connections(context: Context) -> int:
    """List all connections and the state of their tokens."""
    from token_broker_cli import connections as page  # noqa: PLC0415 (see above)

    return page.connections(context)


@app.command()
@command
def status(context: Context, flow: FlowName, name: Name) -> None:
    """Show all that is known of a connection."""
    from token_broker_cli import status as page  # noqa: PLC0415 (see above)

    page.status(context, flow, checked(name))


@app.command()
@command
def explain(context: Context, flow: FlowName, name: Name) -> None:
    """Say what a call would do now, and why."""
    from token_broker_cli import status as page  # noqa: PLC0415 (see above)

    page.explain(context, flow, checked(name))


@app.command()
@command
@with_fields
def token(
    context: Context,
    /,
    flow: FlowName,
    name: Name,
    *,
    min_ttl: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="It must still live this long.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Have a new one made.")] = False,
    form: Annotated[Form, typer.Option("--format", help="What to print.")] = Form.CURL,
    show: Annotated[bool, typer.Option("--show", help="Unmasked, on a terminal too.")] = False,
    **fields: str | None,
) -> None:
    """Print a live token: masked on a terminal, as it is in a pipe."""
    members = {"min_ttl": min_ttl, **values(flow, fields), "force": force}
    body = {key: value for key, value in members.items() if value is not None}
    chosen = Form.JSON if context.screen.json else form
    tokens.token(context, flow, checked(name), body, chosen, show=show)


@app.command()
@command
@with_fields
def check(context: Context, /, flow: FlowName, name: Name, **fields: str | None) -> None:
    """Prove that a connection works: a live token, and one harmless request."""
    tokens.check(context, flow, checked(name), values(flow, fields))


@app.command()
@command
@with_fields
def probe(
    context: Context,
    /,
    flow: FlowName,
    name: Name,
    *,
    write: Annotated[
        bool, typer.Option("--write/--no-write", help="Write the options that follow.")
    ] = True,
    as_modes: Annotated[
        bool, typer.Option("--as-modes", help="Print modes for the vendor's fake, write nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    **fields: str | None,
) -> int:
    """Find out how the vendor really behaves, and set the options."""
    from token_broker_cli import probe as page  # noqa: PLC0415 (see above)

    return page.probe(
        context,
        flow,
        checked(name),
        values(flow, fields),
        sure=yes,
        write=write,
        as_modes=as_modes,
    )


@app.command()
@command
def forget(
    context: Context,
    flow: FlowName,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Drop the tokens of a connection, end their sessions, lift its latch."""
    tokens.forget(context, flow, checked(name), sure=yes)


@app.command()
@command
def hold(
    context: Context,
    flow: FlowName,
    name: Name,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Callers are told.")],
) -> None:
    """Hand out nothing of a connection, and ask its vendor nothing, until `lift`."""
    tokens.hold(context, flow, checked(name), reason)


@app.command()
@command
def lift(context: Context, flow: FlowName, name: Name) -> None:
    """End the hold of a connection."""
    tokens.lift(context, flow, checked(name))


@app.command()
@command
def verify(
    context: Context,
    name: Name,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read the token from there; - is stdin.")
    ] = None,
    flow: Annotated[str, typer.Option(metavar="FLOW", help="Whose vendor to ask.")] = VERIFYING[0],
) -> int:
    """Ask the vendor, the editor's unless it is named, what a token stands for."""
    return tokens.verify(context, flow, checked(name), file)


@app.command()
@command
def doctor(context: Context) -> int:
    """Check everything between you and a token, and say what to do."""
    from token_broker_cli import doctor as page  # noqa: PLC0415 (see above)

    return page.doctor(context)
