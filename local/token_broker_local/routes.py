"""The routes of the API, as the template has them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from token_broker import events
from token_broker_local import messages
from token_broker_operations.flows import FLOWS, OPTIONAL, Flow


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a resource, and the flow whose function answers it."""

    method: str
    resource: str
    flow: str

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return the path's parameters if this is its route.

        A parameter is one segment, and stays percent-encoded, as AWS passes it to a Lambda
        function (https://github.com/aws/aws-sam-cli/issues/771, and LocalStack's recordings of
        AWS in tests/aws/services/apigateway). A trailing slash is ignored.
        """
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.resource))
        found = re.fullmatch(f"{pattern}/?", path) if method == self.method else None
        return found.groupdict() if found else None


def routes_of(flow: Flow) -> Iterator[Route]:
    """Yield the routes of one flow."""
    missing = OPTIONAL - flow.abilities
    for (method, rest), action in events.ROUTES.items():
        if action not in missing:
            resource = f"/v1/{flow.name}/{{connection}}/{rest}".rstrip("/")
            yield Route(method, resource, flow.name)


ROUTES = [route for flow in FLOWS for route in routes_of(flow)]


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """Return the route of a request and its parameters. Raises AWS's error if there is none."""
    for route in ROUTES:
        parameters = route.match(method, path)
        if parameters is not None:
            return route, parameters
    raise messages.missing_token()
