"""The function of the flow editor: POST /v1/editor/{connection}/token and its siblings."""

from token_broker.app import Environment
from token_broker.flows.editor import FLOW

handler = Environment().service(FLOW)
