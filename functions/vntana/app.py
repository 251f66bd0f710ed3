"""The function of the flow vntana: POST /v1/vntana/{connection}/token and its siblings."""

from token_broker import flows
from token_broker.environment import Environment

handler = Environment.from_os().service(flows.vntana)
