"""A handler that does nothing, for the runtime's own cost."""


def handler(event: object, context: object) -> dict[str, object]:
    del event, context
    return {}
