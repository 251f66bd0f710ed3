"""What all commands share: their options, a context, and one line for each error."""

import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from typer.core import TyperGroup

from token_broker_cli.context import Context
from token_broker_cli.errors import FAILURE, USAGE, command_error, interrupted, usage
from token_broker_cli.screen import Screen, discard_output
from token_broker_cli.settings import Options, Settings

P = ParamSpec("P")
PANEL = "Which broker"
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""Typer's, which has no public name."""


def _option(*names: str, help: str) -> Any:  # noqa: A002 (typer's name)
    return typer.Option(*names, help=help, rich_help_panel=PANEL)


Local = Annotated[bool, _option("--local", help="The broker of `make run`.")]
Port = Annotated[int | None, _option(help="Where `make run` listens (PORT; 8080).")]
Stage = Annotated[str | None, _option(help="The stage that is deployed (TOKEN_BROKER_STAGE).")]
Url = Annotated[str | None, _option(help="The API, without /v1 (TOKEN_BROKER_URL; the stack's).")]
Stack = Annotated[str | None, _option(help="The stack (TOKEN_BROKER_STACK; token-broker-STAGE).")]
Region = Annotated[str | None, _option(help="The AWS region (AWS_REGION; the profile's).")]
Profile = Annotated[str | None, _option(help="The AWS profile (AWS_PROFILE).")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, and fail in JSON.")]


def shared_options(
    *,
    local: Local = False,
    port: Port = None,
    stage: Stage = None,
    url: Url = None,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
    json: Json = False,
) -> Options:
    """Return the options that are allowed before and after a command's name."""
    return Options(local, port, stage, url, stack, region, profile, json)


SHARED = inspect.signature(shared_options).parameters


def command(body: Callable[Concatenate[Context, P], int | None]) -> Callable[..., None]:
    """Give *body* a context and the shared options, and turn its errors into a line.

    What it returns is the exit code.
    """

    @wraps(body)
    def run(ctx: typer.Context, **values: Any) -> None:
        chosen = shared_options(**{name: values.pop(name) for name in SHARED}).over(
            ctx.obj or Options()
        )
        raise typer.Exit(run_body(body, chosen, values))

    own = [*inspect.signature(body).parameters.values()][1:]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    ours = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    run.__signature__ = inspect.Signature([context, *ours, *SHARED.values()])  # type: ignore[attr-defined]  # PEP 362
    run.__annotations__ = {"ctx": typer.Context}
    return run


def run_body(body: Callable[..., int | None], chosen: Options, values: dict[str, Any]) -> int:
    """Run *body* and return the exit code; an error is reported in one line."""
    screen, context = Screen(json=chosen.json), None
    try:
        screen.check()
        context = Context(Settings.of(chosen, os.environ), screen)
        return body(context, **values) or 0
    except typer.Exit:
        raise
    except BrokenPipeError:
        # The reader closed the pipe, as `head` does.
        discard_output()
        return FAILURE
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough
        known = interrupted(changes=context is not None and context.changes)
    except Exception as error:  # noqa: BLE001 (never a traceback: it might show anything)
        known = command_error(error).about(values.get("flow"), values.get("name"))
        if known.code == "unreachable" and context and context.settings.local:
            known.advice = "Does the local system run, on that port? Start it: make run"
    screen.fail(known)
    return known.exit_code


class Commands(TyperGroup):
    """The commands; an invalid command line is reported like any other error."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command that *args* name and leave with its exit code."""
        del standalone_mode, windows_expand_args  # the former: Typer would report errors itself
        arguments = sys.argv[1:] if args is None else [*args]
        screen = Screen(json="--json" in arguments)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except USAGE_ERROR as error:
            code = report_usage_error(screen, error)
        except typer.Abort:
            known = interrupted(changes=False)
            screen.fail(known)
            code = known.exit_code
        sys.exit(code or 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report Ctrl-C before its start, which Typer does not."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


def report_usage_error(screen: Screen, error: Any) -> int:
    """Report an invalid command line; return the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        path = error.ctx.command_path if error.ctx else "token-broker"
        screen.fail(usage(error.format_message(), f"See `{path} --help`."))
    return USAGE
