"""The errors are those of the contract, and each says whose fault it is."""

import json
import re
from pathlib import Path

import pytest

from token_broker import errors
from token_broker.errors import BrokerError, UpstreamError, UpstreamUnavailable

CONTRACT = {
    "invalid_request": 400,
    "unknown_connection": 404,
    "not_configured": 500,
    "credential_rejected": 502,
    "connection_held": 409,
    "credential_latched": 502,
    "upstream_refused": 502,
    "upstream_contract_changed": 502,
    "upstream_unavailable": 503,
    "refresh_in_progress": 503,
    "store_unavailable": 503,
    "too_many_requests": 429,
    "internal": 500,
}
RETRYABLE = {
    "upstream_unavailable",
    "refresh_in_progress",
    "store_unavailable",
    "too_many_requests",
}


def leaves(kind: type[BrokerError] = BrokerError) -> list[type[BrokerError]]:
    """Return the errors that are raised: those that have no special case."""
    special = kind.__subclasses__()
    return [leaf for one in special for leaf in leaves(one)] if special else [kind]


def test_the_codes_are_those_of_the_contract() -> None:
    assert {kind.code: kind.status for kind in leaves()} == CONTRACT


def test_what_is_worth_another_try_says_so() -> None:
    assert {kind.code for kind in leaves() if kind.retryable} == RETRYABLE


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_a_code_is_the_name_of_its_class(kind: type[BrokerError]) -> None:
    """The name is the `errorType` of a direct invocation: the code in CamelCase."""
    assert "".join(part.title() for part in kind.code.split("_")) == kind.__name__


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_a_problem_is_that_of_rfc_9457(kind: type[BrokerError]) -> None:
    problem = kind("login: refused").problem()
    assert problem == {
        "type": f"urn:token-broker:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "login: refused",
        "code": kind.code,
        "retryable": kind.retryable,
    }


def test_a_problem_tells_what_is_known_of_the_upstream() -> None:
    error = UpstreamUnavailable(
        "login: down", retry_after=0, upstream_status=503, upstream_code="BAD_GATEWAY"
    )
    problem = json.loads(json.dumps(error.problem()))
    assert problem["retry_after"] == 0
    assert problem["upstream_status"] == 503
    assert problem["upstream_code"] == "BAD_GATEWAY"


def test_each_error_has_a_title_and_a_sentence_of_its_own() -> None:
    assert len({kind.title for kind in leaves()}) == len(leaves())
    assert all(kind.__doc__ != BrokerError.__doc__ for kind in leaves())


def test_an_upstreams_fault_is_never_the_callers() -> None:
    assert all(kind.status in (502, 503) for kind in leaves(UpstreamError))


def test_the_tree_that_is_drawn_is_the_tree() -> None:
    drawn = re.findall(r"[x+] (\w+) +(\d{3}) ", errors.__doc__ or "")
    assert {name: int(status) for name, status in drawn} == {
        kind.__name__: kind.status for kind in leaves()
    }


def test_the_page_lists_them() -> None:
    """docs/errors.md: each with its status, and whether to try again."""
    page = (Path(__file__).parents[2] / "docs/errors.md").read_text()
    listed = re.findall(r"(?m)^\| `(\w+)` \| (\d+) \| (yes|no) \|", page)

    assert sorted(listed) == sorted(
        (kind.code, str(kind.status), "yes" if kind.retryable else "no") for kind in leaves()
    )
