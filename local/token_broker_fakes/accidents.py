"""What a fault does to a request and its answer."""

from collections.abc import Callable
from dataclasses import replace

from token_broker_fakes.faults import Fault
from token_broker_fakes.wire import Answer

Sleep = Callable[[float], object]

PAGE = b"<!DOCTYPE html><html><head><title>Service Unavailable</title></head></html>"
FLOOD = b" " * (2 << 20)
NOTHING = Answer(0)


def waits(faults: tuple[Fault, ...], kind: str, sleep: Sleep) -> None:
    """Sleep as long as the faults of *kind* say."""
    for fault in faults:
        if fault.kind == kind:
            sleep(fault.seconds)


def instead(fault: Fault) -> Answer:
    """Return what is answered where a request is not processed."""
    match fault.kind:
        case "html":
            headers = {"Content-Type": "text/html; charset=utf-8", **fault.headers}
            return Answer(fault.status, headers, PAGE, "fault: html")
        case "reset":
            return NOTHING
    return Answer(fault.status, fault.headers, fault.body.encode(), f"fault: {fault.kind}")


def damaged(answer: Answer, fault: Fault, without_token: Callable[[Answer], Answer]) -> Answer:
    """Return what is left of *answer*, which a request that was processed has led to."""
    match fault.kind:
        case "truncate":
            return replace(answer, content=answer.content[: len(answer.content) // 2])
        case "flood":
            return replace(answer, content=answer.content + FLOOD)
        case "status_after":
            return Answer(fault.status, fault.headers, PAGE, answer.led_to)
        case "no_token":
            return without_token(answer)
    return answer
