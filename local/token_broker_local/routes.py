"""The routes of the API, as the template has them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from token_broker_local import refusals
from token_broker_local.places import FLOWS


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a resource, and the flow whose function answers it."""

    method: str
    resource: str
    flow: str

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return the path's parameters if this is its route.

        A parameter is one segment, and stays encoded as it was sent: so AWS gives it to a Lambda
        function (https://github.com/aws/aws-sam-cli/issues/771, and LocalStack's recordings of
        AWS in tests/aws/services/apigateway). A slash at the end does not matter.
        """
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.resource))
        found = re.fullmatch(f"{pattern}/?", path) if method == self.method else None
        return found.groupdict() if found else None


def routes_of(flow: str) -> Iterator[Route]:
    """Yield the routes of one flow."""
    connection = f"/v1/{flow}/{{connection}}"
    yield Route("POST", f"{connection}/token", flow)
    yield Route("GET", connection, flow)
    yield Route("DELETE", f"{connection}/token", flow)
    yield Route("PUT", f"{connection}/hold", flow)
    yield Route("DELETE", f"{connection}/hold", flow)


ROUTES = [
    *(route for flow in FLOWS for route in routes_of(flow)),
    Route("POST", "/v1/editor/{connection}/verify", "editor"),
]


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """Return the route of a request and its parameters, or raise what AWS says if there is none."""
    for route in ROUTES:
        parameters = route.match(method, path)
        if parameters is not None:
            return route, parameters
    raise refusals.missing_token()
