"""The function of the flow editor: POST /v1/editor/{connection}/token and its siblings."""

from token_broker import flows
from token_broker.app import Environment

handler = Environment.from_os().service(flows.editor)
