"""The function of the flow vntana: POST /v1/vntana/{connection}/token and its siblings."""

from token_broker import flows
from token_broker.app import Environment

handler = Environment.from_os().service(flows.vntana)
