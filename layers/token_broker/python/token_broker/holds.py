"""An operator's hold: setting it, ending it, and honouring it in background work.

The gate has the hold, so each read of the table shows it: see `token_broker.look.look`.
"""

from typing import Any

from token_broker.dependencies import Dependencies
from token_broker.errors import BrokerError, ConnectionHeld
from token_broker.item import GATE, Hold, Item


def hold(deps: Dependencies, connection: str, by: str, reason: str) -> dict[str, Any]:
    """Hand out no token, and send nothing to the vendor, until `lift`.

    Every process obeys within `MEMORY_SECONDS`. An existing hold gets the new *reason*, and keeps
    its start. Raises `UnknownConnection` if there is neither a secret nor a gate.
    """
    gate = known_gate(deps, connection)
    try:
        while True:
            since = gate.held.since if gate.held else deps.clock.now()
            new = Hold(since, by, reason)
            if deps.store.hold(gate, new):
                break
            gate = gate_of(deps, connection)
    finally:  # also if the table does not say whether the hold was written
        deps.cache.drop(deps.partition(connection))
    named = {"flow": deps.flow.name, "connection": connection}
    deps.announce("Connection Held", named | new.to_dict())
    return named | {"held": new.to_dict()}


def lift(deps: Dependencies, connection: str, by: str) -> dict[str, Any]:
    """Remove the hold, if there is one, and start the renewals that it delayed.

    Raises `UnknownConnection` if there is neither a secret nor a gate.
    """
    named = {"flow": deps.flow.name, "connection": connection}
    while (gate := known_gate(deps, connection)).held:
        if deps.store.hold(gate, None):
            deps.announce("Connection Lifted", named | {"by": by})
            break
    try:  # always: an earlier call may have lifted the hold and failed here
        deps.invoke({"action": "rotate", "connection": connection})
    except BrokerError as error:  # the hold is lifted anyway
        deps.emit("unrenewed", connection=connection, variant=GATE, code=error.code)
    return named | {"held": None}


def is_held(deps: Dependencies, connection: str, gate: Item | None = None) -> bool:
    """Say whether a connection is held; if so, emit that nothing is renewed."""
    gate = gate or gate_of(deps, connection)
    if gate.held:
        deps.emit("unrenewed", connection=connection, variant=GATE, code=ConnectionHeld.code)
    return gate.held is not None


def known_gate(deps: Dependencies, connection: str) -> Item:
    """Return the gate of a connection. Raises `UnknownConnection` if that has no secret either."""
    gate = gate_of(deps, connection)
    if not gate.raw:
        deps.secrets.version(connection)  # raises if there is no secret
    return gate


def gate_of(deps: Dependencies, connection: str) -> Item:
    """Return the gate of a connection, as it is kept now."""
    return deps.store.read(deps.partition(connection), GATE)
