"""The actions other than `token`; loaded for the first of them."""

from collections.abc import Callable, Mapping
from typing import Any

from token_broker import events, maintenance
from token_broker.check import Check
from token_broker.dependencies import Dependencies
from token_broker.errors import InvalidRequest, UnknownConnection
from token_broker.events import Action, Command
from token_broker.exchange import sendable
from token_broker.holds import gate_of, hold, is_held, lift
from token_broker.look import refuse_held
from token_broker.maintenance import MOST_DROPPED
from token_broker.measured import Sender, measured
from token_broker.refresh.invocation import Invocation
from token_broker.status import status
from token_broker.tokens import TokenRequest

LONGEST_REASON = 200
"""Characters of the reason of a hold."""

LONGEST_TOKEN = 4096
"""Characters of a token to verify. Servers refuse a header that is much longer."""

MOST_WARM = 215
"""Calls of one `warm`: the most that a parameter of the template holds, if they are as short as can
be. So none is refused that can be deployed."""


def act(
    deps: Dependencies, command: Command, began: float, deadline: float, request_id: str
) -> dict[str, Any]:
    """Carry out *command*, which began then. Return its answer, and write its audit line."""

    def emit(outcome: str, milliseconds: float) -> None:
        deps.emit(
            "action",
            action=command.action,
            connection=command.connection,
            **command.origin._asdict(),
            outcome=outcome,
            milliseconds=milliseconds,
            request_id=request_id,
        )

    with measured(deps.clock, began, emit):
        return ACTIONS[command.action](deps, command, deadline)


def _status(deps: Dependencies, command: Command, deadline: float) -> dict[str, Any]:
    command.body.finish()
    return status(Invocation(deps, command.connection, deadline))


def _forget(deps: Dependencies, command: Command, deadline: float) -> dict[str, Any]:
    command.body.finish()
    return maintenance.forget(Invocation(deps, command.connection, deadline))


def _hold(deps: Dependencies, command: Command, _deadline: float) -> dict[str, Any]:
    """Hold a connection, or say another reason why it is held."""
    reason = command.body.text("reason")
    if not reason.isprintable() or len(reason) > LONGEST_REASON:
        expected = f"must be 1 to {LONGEST_REASON} printable characters"
        raise command.body.wrong("reason", expected)
    command.body.finish()
    return hold(deps, command.connection, command.origin.caller, reason.strip())


def _lift(deps: Dependencies, command: Command, _deadline: float) -> dict[str, Any]:
    """End the hold of a connection."""
    command.body.finish()
    return lift(deps, command.connection, command.origin.caller)


def _renew(deps: Dependencies, command: Command, deadline: float) -> dict[str, Any]:
    """Renew one variant, or start that for all that are due."""
    key, version = (events.formed(command.body, name) for name in ("variant", "version"))
    command.body.finish()
    invocation = Invocation(deps, command.connection, deadline, version)
    if key is None:
        return {"started": maintenance.renew_all(invocation)}
    return {"renewed": maintenance.renew(invocation, key, is_rotation=version is not None)}


def _rotate(deps: Dependencies, command: Command, deadline: float) -> dict[str, Any]:
    """Renew the tokens of a connection, or drop those beyond the limit."""
    version, otherwise = (events.formed(command.body, name) for name in ("version", "otherwise"))
    dropped = command.body.texts("drop", ())
    if len(dropped) > MOST_DROPPED or not all(events.VARIANT.fullmatch(key) for key in dropped):
        raise command.body.wrong("drop", f"must be at most {MOST_DROPPED} variants' keys")
    command.body.finish()
    invocation = Invocation(deps, command.connection, deadline, version)
    if dropped:
        return {"dropped": maintenance.drop(invocation, dropped)}
    try:
        return {"started": maintenance.rotate(invocation)}
    except UnknownConnection:
        if otherwise is None:
            raise
        invocation = Invocation(deps, otherwise, deadline, version)
        return {"started": maintenance.rotate(invocation)}


def _warm(deps: Dependencies, command: Command, _deadline: float) -> dict[str, Any]:
    """Start one invocation for each of the calls in *command*; say how many."""
    wanted, each = command.body.mappings("calls"), command.body.choice("each", "token", "check")
    command.body.finish()
    calls = [call if each == "token" else {"action": each} | call for call in wanted]
    commands = (events.direct_command(call, command.origin) for call in calls)
    if len(calls) > MOST_WARM or any(one.action != each for one in commands):
        raise command.body.wrong("calls", f"must be at most {MOST_WARM} calls for a {each}")
    held = {name for name in {call["connection"] for call in calls} if is_held(deps, name)}
    made = [call for call in calls if call["connection"] not in held]
    for call in made:
        deps.invoke(call)
    return {"invoked": len(made)}


def _check(deps: Dependencies, command: Command, deadline: float) -> dict[str, Any]:
    """Check that a connection works, for the variant that the body requests."""
    check = Check(deps, command.connection, deadline)
    variant = deps.flow.requested(command.body)
    command.body.finish()
    return check.run(TokenRequest(variant))


def _probe(deps: Dependencies, command: Command, deadline: float) -> dict[str, Any]:
    """Make a new token, and find out how the vendor behaves meanwhile."""
    from token_broker.probe import probe  # noqa: PLC0415 (the other actions need no probe)

    variant = deps.flow.requested(command.body)
    command.body.finish()
    return probe(deps, command.connection, variant, deadline)


def _verify(deps: Dependencies, command: Command, deadline: float) -> dict[str, Any]:
    """Ask the vendor for the parameters of a token."""
    vendor = deps.flow.vendor
    if vendor.verify is None:
        raise InvalidRequest(f"action: tokens of {deps.flow.name} cannot be verified")
    token = command.body.text("token")
    command.body.finish()
    if not sendable(token) or len(token) > LONGEST_TOKEN:
        expected = f"must be printable ASCII of at most {LONGEST_TOKEN} characters"
        raise command.body.wrong("token", expected)
    refuse_held(deps, gate_of(deps, command.connection))
    secret = deps.secrets.current(command.connection)
    conversation = vendor.verify(vendor.parse(secret.content), token)
    parameters = Sender(deps, deadline).run(conversation, secret.content)
    return {"valid": False} if parameters is None else {"valid": True, "parameters": parameters}


ACTIONS: Mapping[Action, Callable[[Dependencies, Command, float], dict[str, Any]]] = {
    "status": _status,
    "forget": _forget,
    "hold": _hold,
    "lift": _lift,
    "check": _check,
    "verify": _verify,
    "probe": _probe,
    "renew": _renew,
    "rotate": _rotate,
    "warm": _warm,
}
