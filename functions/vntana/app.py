"""The function of the flow vntana: POST /v1/vntana/{connection}/token and its siblings."""

from token_broker.app import Environment
from token_broker.flows.vntana import FLOW

handler = Environment().service(FLOW)
