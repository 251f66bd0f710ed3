"""Endpoints speak HTTPS, and some HTTP as well; the emulator speaks one of them.

https://docs.aws.amazon.com/general/latest/gr/rande.html
"""

import os
from typing import Any

import hypercorn.asyncio

from stack.emulator.replacing import Wrapper, around

PLAIN = f"127.0.0.1:{os.environ['STACK_HTTP_PORT']}"


@around(hypercorn.asyncio, "serve")
async def serve(original: Wrapper, application: Any, config: Any, *rest: Any, **named: Any) -> None:
    """Serve on the port of its own for HTTPS, and on another for HTTP; never on 443."""
    config.bind = config.bind[:1]
    config.insecure_bind = [PLAIN]
    await original(application, config, *rest, **named)
