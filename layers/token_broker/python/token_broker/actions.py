"""The actions besides handing out a token; loaded when one is called for."""

from typing import Any

from token_broker import calls, editor
from token_broker.calls import Order
from token_broker.errors import InvalidRequest
from token_broker.exchange import Request, Response, run, sendable
from token_broker.tools import Tools
from token_broker.upkeep import Upkeep


def act(tools: Tools, order: Order, deadline: float) -> dict[str, Any]:
    """Carry out *order* and return its answer."""
    upkeep = Upkeep(tools, order.connection, deadline)
    match order.action:
        case "verify":
            return _verify(tools, order, deadline)
        case "renew":
            key = calls.variant(order.body)
            order.body.finish()
            return {"renewed": upkeep.renew(key)}
        case "rotate":
            order.body.finish()
            return {"renewed": upkeep.rotate()}
        case "forget":
            order.body.finish()
            return {"forgotten": upkeep.forget()}
    order.body.finish()
    return upkeep.status()


def _verify(tools: Tools, order: Order, deadline: float) -> dict[str, Any]:
    """Ask the editor's vendor what a token stands for."""
    if tools.flow.NAME != editor.NAME:
        raise InvalidRequest("action: only the editor's tokens can be verified")
    token = order.body.text("token")
    order.body.finish()
    if not sendable(token):
        raise order.body.wrong("token", "must be printable ASCII")
    credentials = editor.Credentials.parse(tools.secrets.current(order.connection).content)

    def send(request: Request) -> Response:
        return tools.send(request, deadline - tools.clock.monotonic())

    parameters = run(editor.verify(credentials, token), send)
    return {"valid": False} if parameters is None else {"valid": True, "parameters": parameters}
