"""The function of the flow vendorlink: POST /v1/vendorlink/{connection}/token and its siblings."""

from token_broker.app import Environment
from token_broker.flows.vendorlink import FLOW

handler = Environment().service(FLOW)
