"""A cold process of a function: one call, then the list of its modules. Run by test_hit_path.py."""

import importlib.util
import json
import sys
from typing import Any


class Context:
    """What is used of Lambda's context."""

    aws_request_id = "request"
    invoked_function_arn = "arn"

    def get_remaining_time_in_millis(self) -> int:
        return 20_000


def loaded(app: str, event: object) -> dict[str, Any]:
    """Return the answer to *event*, and the modules loaded after the start and after the answer."""
    before = set(sys.modules)
    spec = importlib.util.spec_from_file_location("app", app)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    started = set(sys.modules) - before
    sys.modules["token_broker.aws.fast_client"].TIMEOUT = 60.0  # type: ignore[attr-defined]  # a module's
    answer = module.handler(event, Context())
    answered = set(sys.modules) - before
    return {"answer": answer, "started": sorted(started), "answered": sorted(answered)}


if __name__ == "__main__":
    found = loaded(sys.argv[1], json.loads(sys.argv[2]))
    sys.stderr.write(json.dumps(found))
