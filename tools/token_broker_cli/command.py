"""What all commands share: their options, a context, and one line for each error."""

import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import typer
from typer.core import TyperGroup

from token_broker_cli.context import Context
from token_broker_cli.errors import FAILURE, USAGE, command_error, interrupted, usage
from token_broker_cli.screen import Screen, discard_output
from token_broker_cli.settings import Options, Settings

P = ParamSpec("P")
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""Typer's, which has no public name."""


SHARED: Mapping[str, inspect.Parameter] = {
    name: parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for name, parameter in inspect.signature(Options).parameters.items()
}
"""The options that are allowed before and after a command's name."""


def with_shared_options(
    run: Callable[..., None], own: Iterable[inspect.Parameter] = ()
) -> Callable[..., None]:
    """Give *run* Typer's context, its *own* parameters, and the shared options."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *own, *SHARED.values()])  # type: ignore[attr-defined]  # PEP 362
    run.__annotations__ = {"ctx": typer.Context}
    return run


def command(body: Callable[Concatenate[Context, P], int | None]) -> Callable[..., None]:
    """Give *body* a context and the shared options, and turn its errors into a line.

    What it returns is the exit code.
    """

    @wraps(body)
    def run(ctx: typer.Context, **values: Any) -> None:
        chosen = Options(**{name: values.pop(name) for name in SHARED}).over(ctx.obj or Options())
        raise typer.Exit(run_body(body, chosen, values))

    own = [*inspect.signature(body).parameters.values()][1:]
    ours = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    return with_shared_options(run, ours)


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
