"""The function of the flow vendorlink: POST /v1/vendorlink/{connection}/token and its siblings."""

from token_broker import flows
from token_broker.app import Environment

handler = Environment.from_os().service(flows.vendorlink)
