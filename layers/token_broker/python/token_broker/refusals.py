"""Refusals that need nobody's asking: what is known not to help is not tried."""

from token_broker.errors import BrokerError, Internal, InvalidRequest
from token_broker.item import Failure, Item, longest_min_ttl


def refuse_too_long(item: Item | None, min_ttl: int | None, now: int) -> None:
    """Refuse a call that wants longer than a new token of this upstream has when it arrives.

    Only a token that lives tells how long the next one will. Raises `InvalidRequest`, before an
    exchange that could not help.
    """
    if item and min_ttl and item.is_live(now) and min_ttl > longest_min_ttl(item.lifetime):
        raise InvalidRequest(f"min_ttl: tokens of this upstream live {item.lifetime} seconds")


def again(failure: Failure, now: int) -> BrokerError:
    """Return the error of last time, with the seconds until it is worth another try."""
    classes = {error.code: error for error in _descendants(BrokerError)}
    error = classes.get(failure.code, Internal)
    return error(
        failure.detail,
        retry_after=max(1, failure.retry_at - now),
        upstream_status=failure.upstream_status,
        upstream_code=failure.upstream_code,
        upstream_message=failure.upstream_message,
    )


def _descendants(of: type[BrokerError]) -> list[type[BrokerError]]:
    return [d for child in of.__subclasses__() for d in (child, *_descendants(child))]
