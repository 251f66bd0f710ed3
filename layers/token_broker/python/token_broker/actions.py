"""The actions besides handing out a token; loaded when one is called for."""

from typing import Any

from token_broker import events
from token_broker.dependencies import Tools
from token_broker.errors import InvalidRequest, UnknownConnection
from token_broker.events import Order
from token_broker.exchange import Request, Response, run, sendable
from token_broker.maintenance import MOST_DROPPED, Maintenance

MOST_WARM = 100
"""Calls of one `warm`: about what a parameter of the template holds."""


def act(tools: Tools, order: Order, deadline: float) -> dict[str, Any]:
    """Carry out *order* and return its answer."""
    maintenance = Maintenance(tools, order.connection, deadline)
    match order.action:
        case "verify":
            return _verify(tools, order, deadline)
        case "renew":
            return _renew(maintenance, order)
        case "rotate":
            return _rotate(tools, order, deadline)
        case "forget":
            order.body.finish()
            return maintenance.forget()
        case "warm":
            return {"invoked": _warm(tools, order)}
    order.body.finish()
    return maintenance.status()


def _renew(maintenance: Maintenance, order: Order) -> dict[str, Any]:
    """Renew one variant, or start that for all that are due."""
    key, version = events.variant(order.body), events.version(order.body)
    order.body.finish()
    return (
        {"renewed": maintenance.renew(key, version)}
        if key
        else {"started": maintenance.renew_all()}
    )


def _rotate(tools: Tools, order: Order, deadline: float) -> dict[str, Any]:
    """Have the tokens of a connection made anew, or drop those that were left out then."""
    version, otherwise = events.version(order.body), events.otherwise(order.body)
    dropped = events.variants(order.body, "drop", MOST_DROPPED)
    order.body.finish()
    maintenance = Maintenance(tools, order.connection, deadline)
    if dropped:
        return {"dropped": maintenance.drop(dropped, version)}
    try:
        return {"started": maintenance.rotate(version)}
    except UnknownConnection:
        if otherwise is None:
            raise
        return {"started": Maintenance(tools, otherwise, deadline).rotate(version)}


def _warm(tools: Tools, order: Order) -> int:
    """Have each of the calls in *order* made by an invocation of its own; return how many."""
    wanted = order.body.mappings("calls")
    order.body.finish()
    if len(wanted) > MOST_WARM or any(events.direct_order(e).action != "token" for e in wanted):
        raise order.body.wrong("calls", f"must be at most {MOST_WARM} calls for a token")
    for call in wanted:
        tools.invoke(call)
    return len(wanted)


def _verify(tools: Tools, order: Order, deadline: float) -> dict[str, Any]:
    """Ask the vendor what a token stands for."""
    vendor = tools.flow.vendor
    if vendor.verify is None:
        raise InvalidRequest(f"action: tokens of {tools.flow.name} cannot be verified")
    token = order.body.text("token")
    order.body.finish()
    if not sendable(token):
        raise order.body.wrong("token", "must be printable ASCII")
    credentials = vendor.parse(tools.secrets.current(order.connection).content)

    def send(request: Request) -> Response:
        return tools.send(request, deadline - tools.clock.monotonic())

    parameters = run(vendor.verify(credentials, token), send)
    return {"valid": False} if parameters is None else {"valid": True, "parameters": parameters}
