"""A JSON object from outside is read strictly; errors name a member and never show its value."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_broker.document import DEEPEST, Document, is_portable
from token_broker.errors import BrokerError, InvalidRequest, NotConfigured

Read = Callable[[Document], object]

READERS: dict[str, Read] = {
    "text": lambda d: d.text("m"),
    "text with a default": lambda d: d.text("m", "default"),
    "optional_text": lambda d: d.optional_text("m"),
    "choice": lambda d: d.choice("m", "first", "second"),
    "boolean": lambda d: d.boolean("m", default=True),
    "seconds": lambda d: d.seconds("m", 60),
    "texts": lambda d: d.texts("m", ["default"]),
    "mapping": lambda d: d.mapping("m"),
    "mappings": lambda d: d.mappings("m"),
    "document": lambda d: d.document("m").finish(),
}
NOT_BLANK = ": must be a string that is not blank"
TEXT = (NOT_BLANK, ": is missing")
NO_OBJECT = ": must be a JSON object"
NOT_PORTABLE = ": holds NaN, Infinity or too long a number, or is over 64 levels deep"
WRONG: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "text": ([None, "", " \t", 1, True, ["a"], {}], TEXT),
    "text with a default": ([None, "", " ", 0, []], TEXT),
    "optional_text": (["", "  ", 0, False, []], (NOT_BLANK,)),
    "choice": ([None, "third", "First", 1, ["first"], {}], (": must be one of first, second",)),
    "boolean": ([None, 0, 1, "true", []], (": must be true or false",)),
    "seconds": (
        [0, -1, 1.0, "60", True, [], {}],
        (": must be a whole number of seconds, at least 1",),
    ),
    "texts": (
        [None, "a", ["a", " "], ["a", ""], ["a", 1], [None], {}],
        (": must be a list of strings that are not blank",),
    ),
    "mapping": ([None, "a", [], 1, [["a", "b"]]], (NO_OBJECT,)),
    "mappings": ([None, "a", 1, [None], [{}, []], [{"a": math.nan}]], (NO_OBJECT, NOT_PORTABLE)),
    "document": ([None, "a", [], 1, {"unknown": 1}], (NO_OBJECT, ".unknown: is not known")),
}
"""For each reader, wrong values, and how their error may go on after the member's name."""


def nested(levels: int) -> dict[str, Any]:
    """Return objects and lists within each other, *levels* in all."""
    value: Any = "within"
    for level in range(levels - 1):
        value = [value] if level % 2 else {"m": value}
    return {"m": value}


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        pytest.param(READERS["text"], " a ", " a ", id="a text is taken as it is"),
        pytest.param(READERS["optional_text"], None, None, id="null is no text"),
        pytest.param(READERS["optional_text"], "a", "a", id="a text that may be absent"),
        pytest.param(READERS["choice"], "second", "second", id="one of the choices"),
        pytest.param(READERS["boolean"], False, False, id="false"),
        pytest.param(READERS["seconds"], 1, 1, id="seconds"),
        pytest.param(READERS["seconds"], None, 60, id="null is the default"),
        pytest.param(READERS["texts"], [], [], id="an empty list"),
        pytest.param(READERS["texts"], ["a", "b"], ["a", "b"], id="texts"),
        pytest.param(READERS["mapping"], {"a": [1, None]}, {"a": [1, None]}, id="as it is"),
        pytest.param(READERS["mapping"], nested(DEEPEST), nested(DEEPEST), id="quite deep"),
        pytest.param(READERS["mappings"], [{"a": 1}, {}], [{"a": 1}, {}], id="some"),
        pytest.param(READERS["mappings"], {"a": 1}, [{"a": 1}], id="one by itself"),
    ],
)
def test_a_valid_member_is_returned(read: Read, value: object, result: object) -> None:
    assert read(Document({"m": value}, NotConfigured)) == result


def test_an_absent_member_has_a_default_or_is_an_error() -> None:
    defaults: dict[str, object] = {
        "text with a default": "default",
        "optional_text": None,
        "choice": "first",
        "boolean": True,
        "seconds": 60,
        "texts": ["default"],
        "mapping": {},
        "document": None,
    }
    absent = Document({}, NotConfigured)
    assert {reader: READERS[reader](absent) for reader in defaults} == defaults
    with pytest.raises(NotConfigured, match=r"^password: is missing$"):
        absent.text("password")


@pytest.mark.parametrize("reader", WRONG)
def test_an_invalid_member_is_named(reader: str) -> None:
    """With its expected form, and with the name of the enclosing member."""
    values, reasons = WRONG[reader]
    for value in values:
        for where, path in {"": "m", "options": "options.m"}.items():
            with pytest.raises(InvalidRequest) as error:
                READERS[reader](Document({"m": value}, InvalidRequest, where))
            assert str(error.value) in {path + reason for reason in reasons}


def test_anything_but_an_object_is_refused() -> None:
    for members in (None, [], "text", 1, [["a", "b"]]):
        with pytest.raises(InvalidRequest, match=r"^body: must be a JSON object$"):
            Document(members, InvalidRequest)


def test_an_unread_member_is_named() -> None:
    """With its path; not at any length, not as lines of a log, and so that any log can have it."""
    names = {
        "Password": "Password",
        "x" * 100: "x" * 64,
        "a\r\nb": r"a\r\nb",
        "\ud800é": r"\ud800\xe9",
    }
    for name, shown in names.items():
        with pytest.raises(NotConfigured) as error:
            Document({name: "hunter2"}, NotConfigured).finish()
        assert str(error.value) == f"{shown}: is not known"
    options = Document({"options": {"deep": {"x": 1}}}, NotConfigured).document("options")
    with pytest.raises(NotConfigured, match=r"^options\.deep\.x: is not known$"):
        options.document("deep").finish()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"m": float("nan")}, id="NaN, which Python reads"),
        pytest.param({"m": [1, {"m": float("-inf")}]}, id="Infinity, somewhere"),
        pytest.param({"m": [-(10**4300)]}, id="longer than Python writes"),
        pytest.param(nested(100_000), id="deeper than Python's stack"),
    ],
)
def test_a_value_that_json_parsers_read_differently_is_refused(value: dict[str, Any]) -> None:
    assert not is_portable(value)
    with pytest.raises(InvalidRequest, match=r"^parameters: "):
        Document({"parameters": value}, InvalidRequest).mapping("parameters")


def test_the_limits_of_nesting_and_of_integers_are_exact() -> None:
    """64 levels, 14,000 bits."""
    assert all(map(is_portable, (nested(64), (1 << 14_000) - 1)))
    assert not any(map(is_portable, (nested(65), 1 << 14_000)))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("m"), inner),
    max_leaves=10,
)


@given(st.just("m") | st.text(), anything, st.sampled_from(sorted(READERS)))
def test_nothing_but_the_given_error_is_raised(name: str, value: object, reader: str) -> None:
    """Any input is read, or refused with the given error."""
    try:
        refuse(READERS[reader], {name: value}, InvalidRequest)
        Document(value, InvalidRequest).finish()
    except InvalidRequest as error:
        str(error).encode()


@given(anything)
def test_a_value_is_never_shown(value: object) -> None:
    for reader in READERS.values():
        with pytest.raises(NotConfigured) as error:
            refuse(reader, {"m": ["hunter2", value], "n": {"hunter2": 1}}, NotConfigured)
        assert "hunter2" not in repr(error.value)


def refuse(read: Read, members: dict[str, Any], error: type[BrokerError]) -> None:
    """Read a member, and then refuse unread ones."""
    document = Document(members, error)
    read(document)
    document.finish()
