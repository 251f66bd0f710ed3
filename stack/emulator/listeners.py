"""Two listeners, for HTTPS and HTTP; the emulator has one of them.

https://docs.aws.amazon.com/general/latest/gr/rande.html
"""

import os
from typing import Any

import hypercorn.asyncio

from stack.emulator.patching import Function, patch

HTTP_ADDRESS = f"127.0.0.1:{os.environ['STACK_HTTP_PORT']}"


@patch(hypercorn.asyncio, "serve")
async def serve(
    original: Function, application: Any, config: Any, *rest: Any, **keywords: Any
) -> None:
    """Serve HTTPS on the configured port and HTTP on another, and nothing on 443."""
    config.bind = config.bind[:1]
    config.insecure_bind = [HTTP_ADDRESS]
    await original(application, config, *rest, **keywords)
