"""What is left of a request's time, to the moment; by a clock that stands where it is set."""

import pytest

from token_broker.transport.deadline import Deadline, Ended

ENDS_AT = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return what the clock shows, to be set."""
    now = [0.0]
    monkeypatch.setattr("token_broker.transport.deadline.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("now", "left", "left_to_connect"), [(90.0, 10.0, 3.0), (97.5, 2.5, 2.5), (99.5, 0.5, 0.5)]
)
def test_time_is_left_until_the_deadline(
    clock: list[float], now: float, left: float, left_to_connect: float
) -> None:
    """And for one connection no more than that, or the seconds that one is given."""
    clock[0] = now
    deadline = Deadline(ENDS_AT, 3.0, lambda host: [host])
    assert (deadline.left, deadline.left_to_connect) == (left, left_to_connect)
    assert not deadline.is_over


@pytest.mark.parametrize("now", [100.0, 101.0])
def test_at_the_deadline_nothing_is_left(clock: list[float], now: float) -> None:
    clock[0] = now
    deadline = Deadline(ENDS_AT, 3.0, lambda host: [host])
    for name in ("left", "left_to_connect"):
        with pytest.raises(Ended, match=r"^timed out$"):
            getattr(deadline, name)
    assert deadline.is_over


@pytest.mark.parametrize(("now", "is_over"), [(99.98, False), (99.9901, True)])
def test_a_timeout_that_ends_a_little_too_soon_counts(
    clock: list[float], now: float, *, is_over: bool
) -> None:
    """10 ms: a socket's time-out has whole milliseconds."""
    clock[0] = now
    assert Deadline(ENDS_AT, 3.0, lambda host: [host]).is_over is is_over
