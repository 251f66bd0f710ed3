"""Modules that the fork server imports before it forks: code, and botocore's data files.

No account settings are read here: each racing process reads them from its environment.
"""

import botocore.loaders
import requests  # noqa: F401 (see above)

import token_broker.refresh.refresher  # noqa: F401 (as well)
from tests.races.lambdas import FLOWS
from token_broker.aws import clients

VENDORS = [flow.vendor for flow in FLOWS.values()]
"""Imported here, and not by each process in its first exchange."""

loader: botocore.loaders.Loader = clients._session()._session.get_component("data_loader")
loader.load_data("endpoints")
for service in ("dynamodb", "kms", "secretsmanager"):
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model(service, kind)
