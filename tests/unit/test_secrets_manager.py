"""The versions of a connection's secret, and the errors of reading them."""

import pytest

from tests.unit.memory_aws import PREFIX, MemoryAws
from token_broker.errors import NotConfigured, StoreUnavailable, UnknownConnection
from token_broker.secrets_manager import Secret

FIRST, SECOND = {"password": "hunter1"}, {"password": "hunter2"}


def aws_with(*contents: object) -> MemoryAws:
    aws = MemoryAws()
    for content in contents:
        aws.manager.put("acme", content)
    return aws


def test_current_and_previous_version_are_read_with_id_and_date() -> None:
    aws = aws_with(FIRST, SECOND)
    assert aws.secrets.current("acme") == Secret("v2", 1_800_000_000, SECOND)
    assert aws.secrets.previous("acme") == Secret("v1", 1_800_000_000, FIRST)
    assert aws.secrets.version("acme") == "v2"
    assert "hunter" not in repr(aws.secrets.current("acme"))
    assert aws_with(FIRST).secrets.previous("acme") is None


def test_the_error_for_a_missing_secret_names_the_connection() -> None:
    secrets = MemoryAws().secrets
    for read in (secrets.current, secrets.version, lambda name: secrets.current(name, "v2")):
        with pytest.raises(UnknownConnection) as raised:
            read("acme")
        assert raised.value.detail == "there is no secret for connection acme"
    assert secrets.previous("acme") is None


def test_a_secret_that_is_scheduled_for_deletion_is_unknown_to_each_read() -> None:
    """AWS still describes it, with its versions, but returns no value."""
    aws = aws_with(FIRST)
    aws.manager.deleted = True
    for noticed in (None, "v1"):
        with pytest.raises(UnknownConnection):
            aws.secrets.current("acme", noticed)
    with pytest.raises(UnknownConnection):
        aws.secrets.version("acme")


def test_a_secret_that_is_not_json_is_not_quoted() -> None:
    aws = aws_with(FIRST)
    for text in (None, "", "{", "[" * 100_000):
        aws.manager.texts[f"{PREFIX}acme"] = [text]
        for noticed in (None, "v1"):
            with pytest.raises(NotConfigured) as raised:
                aws.secrets.current("acme", noticed)
            assert raised.value.detail == "the secret of acme is not a JSON text"
            assert raised.value.__cause__ is None


@pytest.mark.parametrize(("noticed", "calls"), [(None, 1), ("v3", 1), ("v2", 2), ("v1", 2)])
def test_the_version_of_an_event_is_used_only_if_it_is_current(
    noticed: str | None, calls: int
) -> None:
    """An event may arrive late, and name a replaced version."""
    aws = aws_with(FIRST, SECOND, SECOND)
    assert aws.secrets.current("acme", noticed).version == "v3"
    assert aws.manager.calls == ["get_secret_value"] * calls


def test_an_outdated_replica_is_a_retryable_error() -> None:
    """It has only the previous version, which must not be taken for the new one."""
    aws = aws_with(FIRST, SECOND)
    aws.manager.late = True
    with pytest.raises(StoreUnavailable) as raised:
        aws.secrets.current("acme", "v2")
    assert raised.value.detail == "the secret's new version is not there yet"
    assert raised.value.retry_after == 1


def test_a_secret_without_a_current_version_counts_as_unknown() -> None:
    aws = aws_with(FIRST)
    aws.manager._stages = lambda *_: {"v1": []}  # type: ignore[method-assign]  # while it is made
    for _ in ("without its stage", "without any version"):
        with pytest.raises(UnknownConnection):
            aws.secrets.version("acme")
        aws.manager.describe_secret = lambda **_: {}  # type: ignore[method-assign]  # as above
