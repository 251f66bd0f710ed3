"""The function of the flow vntana: POST /v1/vntana/{connection}/token and its siblings."""

from token_broker import vntana
from token_broker.environment import Environment

handler = Environment.from_os().service(vntana)
