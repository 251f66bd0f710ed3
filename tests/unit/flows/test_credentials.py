"""Any secret is read, or refused with `NotConfigured`, and never quoted."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.subjects import FLOWS, members
from token_broker.errors import NotConfigured
from token_broker.flows import Flow, every

CANARY = "hunter2-Qx7~canary"
KNOWN = (
    *(key for flow in FLOWS for key in members(flow)),
    *("pinned", "parameters", "required", "options", "refresh_method", "lifetime", "renewal"),
    *("allowed_hosts", "verify_header"),
)
SPICED = st.text(max_size=8).map(lambda text: CANARY + text)
URLS = st.sampled_from(["https://{}", "http://{}", "https://{}@x", "https://x/{}", "//{}", "{}:99"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | SPICED
    | URLS.map(lambda form: form.format(CANARY))
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
SECRETS = st.dictionaries(st.sampled_from(KNOWN), ANYTHING, max_size=6) | ANYTHING


@pytest.mark.parametrize("flow", every().values(), ids=every())
@given(secret=SECRETS)
@example(secret={"password": CANARY, "username": CANARY, "host": f"{CANARY}@x"})
@example(secret={"api_key": CANARY, "editor_url": f"https://{CANARY}@x"})
def test_any_secret_is_read_or_raises_not_configured_without_a_quote(
    flow: Flow, secret: Any
) -> None:
    text = ""
    try:
        flow.vendor.parse(secret)
    except NotConfigured as error:
        text = f"{error!r} {error.problem()} {error.__cause__!r} {error.__context__!r}"
    assert CANARY not in text


@pytest.mark.parametrize("flow", every().values(), ids=every())
def test_a_secret_nested_deeper_than_the_stack_is_refused(flow: Flow) -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"options": deep}
    with pytest.raises(NotConfigured):
        flow.vendor.parse(deep)
