"""The routes of the API, as the template has them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from token_broker import events
from token_broker_local import messages
from token_broker_operations.flows import FLOWS, OPTIONAL


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a resource: an action of the flow whose function answers it."""

    method: str
    resource: str
    flow: str
    action: str

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return the path's parameters if this is its route.

        A parameter is one segment, and stays percent-encoded, as AWS passes it to a Lambda
        function (https://github.com/aws/aws-sam-cli/issues/771, and LocalStack's recordings of
        AWS in tests/aws/services/apigateway). A trailing slash is ignored.
        """
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.resource))
        found = re.fullmatch(f"{pattern}/?", path) if method == self.method else None
        return found.groupdict() if found else None


ROUTES = [
    Route(method, f"/v1/{flow.name}/{{connection}}/{rest}".rstrip("/"), flow.name, action)
    for flow in FLOWS
    for (method, rest), action in events.ROUTES.items()
    if action not in OPTIONAL - flow.abilities
]


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """Return the route of a request and its parameters. Raises AWS's error if there is none."""
    for route in ROUTES:
        parameters = route.match(method, path)
        if parameters is not None:
            return route, parameters
    raise messages.missing_token()
