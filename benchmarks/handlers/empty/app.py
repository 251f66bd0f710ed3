"""A handler that does nothing: what the runtime itself costs."""


def handler(event: object, context: object) -> dict[str, object]:
    del event, context
    return {}
