"""The remaining time of a request, with a fixed clock."""

import pytest

from token_broker.transport.deadline import Deadline, Ended

ENDS_AT = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time of the clock as a list of one settable number."""
    now = [0.0]
    monkeypatch.setattr("token_broker.transport.deadline.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("now", "left", "left_to_connect"), [(90.0, 10.0, 3.0), (97.5, 2.5, 2.5), (99.5, 0.5, 0.5)]
)
def test_the_remaining_time_until_the_deadline(
    clock: list[float], now: float, left: float, left_to_connect: float
) -> None:
    """For a connection, the remaining time or its own limit, whichever is less."""
    clock[0] = now
    deadline = Deadline(ENDS_AT, 3.0, lambda host: [host])
    assert (deadline.left, deadline.left_to_connect) == (left, left_to_connect)
    assert not deadline.is_over


@pytest.mark.parametrize("now", [100.0, 101.0])
def test_at_the_deadline_reading_the_remaining_time_raises_ended(
    clock: list[float], now: float
) -> None:
    clock[0] = now
    deadline = Deadline(ENDS_AT, 3.0, lambda host: [host])
    for name in ("left", "left_to_connect"):
        with pytest.raises(Ended, match=r"^timed out$"):
            getattr(deadline, name)
    assert deadline.is_over


@pytest.mark.parametrize(("now", "is_over"), [(99.98, False), (99.9901, True)])
def test_a_timeout_up_to_10_ms_early_counts_as_the_deadline(
    clock: list[float], now: float, *, is_over: bool
) -> None:
    """A socket's timeout has whole milliseconds."""
    clock[0] = now
    assert Deadline(ENDS_AT, 3.0, lambda host: [host]).is_over is is_over
