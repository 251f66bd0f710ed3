"""The errors: codes, statuses, problem documents, and their page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from token_broker import errors
from token_broker.errors import BrokerError, CredentialRejected, UpstreamError

CONTRACT = {
    "invalid_request": (400, False, "The request is wrong"),
    "unknown_connection": (404, False, "There is no such connection"),
    "connection_held": (409, False, "An operator holds the connection"),
    "too_many_requests": (429, True, "Forced or rejected too often"),
    "not_configured": (500, False, "The connection is not configured correctly"),
    "internal": (500, False, "The broker failed"),
    "credential_rejected": (502, False, "The upstream rejected the stored credentials"),
    "credential_latched": (
        *(502, False),
        "The stored credentials were rejected before and have not changed",
    ),
    "upstream_refused": (502, False, "The upstream refused"),
    "upstream_contract_changed": (502, False, "The upstream did not answer as documented"),
    "upstream_unavailable": (503, True, "The upstream is unavailable"),
    "refresh_in_progress": (503, True, "The token is being renewed"),
    "store_unavailable": (503, True, "The token store is unavailable"),
}
"""For each code the status, whether another try may help, and the title."""


def leaves(kind: type[BrokerError] = BrokerError) -> list[type[BrokerError]]:
    """Return the errors that are raised: those that have no special case."""
    special = kind.__subclasses__()
    return [leaf for one in special for leaf in leaves(one)] if special else [kind]


def test_each_error_has_a_unique_docstring_and_its_class_name_as_code() -> None:
    """The name is the `errorType` of a direct invocation: the code in CamelCase."""
    assert {kind.code for kind in leaves()} == CONTRACT.keys()
    for kind in leaves():
        assert "".join(part.title() for part in kind.code.split("_")) == kind.__name__
    assert len({kind.__doc__ for kind in (BrokerError, *leaves())}) == len(leaves()) + 1


@pytest.mark.parametrize("known", [{}, {"retry_after": 9}], ids=["plain", "until when"])
@pytest.mark.parametrize("kind", [BrokerError, *leaves()], ids=lambda kind: kind.__name__)
def test_a_problem_has_the_members_of_rfc_9457(
    kind: type[BrokerError], known: dict[str, Any]
) -> None:
    """An error is not retryable because it says when the broker asks the vendor again."""
    status, retryable, title = CONTRACT[kind.code]
    error = kind("login: refused", **known)
    assert error.problem() == {
        "type": f"urn:token-broker:{kind.code}",
        "title": title,
        "status": status,
        "detail": "login: refused",
        "code": kind.code,
        "retryable": retryable,
        **known,
    }
    assert error.problem()["retryable"] is retryable, "JSON's true or false"
    assert str(error) == "login: refused"


def test_a_problem_has_the_details_of_the_upstream() -> None:
    known: dict[str, Any] = {"upstream_status": 503, "upstream_code": "BAD_GATEWAY"}
    known |= {"retry_after": 0, "upstream_message": "down until noon"}
    for kind in leaves(UpstreamError):
        problem = json.loads(json.dumps(kind("login: down", **known).problem()))
        assert {name: problem.get(name) for name in known} == known
        assert kind.status in (502, 503)


def test_a_rejection_is_certain_by_default() -> None:
    assert CredentialRejected("why").is_certain
    assert not CredentialRejected("why", is_certain=False).is_certain


def test_the_docstring_and_the_page_list_all_errors() -> None:
    """docs/errors.md: each with its status, and whether it is retryable."""
    drawn = re.findall(r"[x+] (\w+) +(\d{3}) ", errors.__doc__ or "")
    assert sorted(drawn) == sorted((kind.__name__, str(kind.status)) for kind in leaves())
    page = (Path(__file__).parents[2] / "docs/errors.md").read_text()
    listed = re.findall(r"(?m)^\| `(\w+)` \| (\d+) \| (yes|no) \|", page)
    assert sorted(listed) == sorted(
        (kind.code, str(kind.status), "yes" if kind.retryable else "no") for kind in leaves()
    )
