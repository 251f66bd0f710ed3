"""Variants and tokens: encoding, keys, fingerprints and reprs."""

import json
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_broker.tokens import ONLY, Token, Variant, canonical_hash, encode, fingerprint

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def typed(value: object) -> object:
    """Return *value* so that ``==`` sees types: for Python, ``1 == 1.0 == True``."""
    match value:
        case Mapping():
            return {key: typed(member) for key, member in value.items()}
        case list():
            return [typed(member) for member in value]
        case _:
            return [type(value).__name__, repr(value)]


def turned(value: object) -> object:
    """Return *value* with the members of each object in reverse order."""
    match value:
        case Mapping():
            return {key: turned(value[key]) for key in reversed(value)}
        case list():
            return [turned(member) for member in value]
        case _:
            return value


@given(json_values, json_values)
def test_different_values_never_share_an_encoding(one: object, other: object) -> None:
    assert (encode(one) == encode(other)) == (typed(one) == typed(other))


@given(json_values)
def test_the_order_of_keys_does_not_matter(value: object) -> None:
    assert encode(turned(value)) == encode(value)


@given(json_values)
def test_a_value_has_the_same_hash_after_a_json_round_trip(value: object) -> None:
    assert canonical_hash(json.loads(json.dumps(value))) == canonical_hash(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(["a", "bc"], ["ab", "c"], id="where one part ends"),
        pytest.param({"a": "b"}, ["a", "b"], id="an object and a list"),
        pytest.param({"a": {}}, {"a": []}, id="an empty object and an empty list"),
        pytest.param([["a"], "b"], [["a", "b"]], id="what is nested where"),
        pytest.param({"a": "b", "c": "d"}, {"a": "d", "c": "b"}, id="which key has which value"),
        pytest.param(["s1:a"], ["a"], id="a text that looks like an encoding"),
        pytest.param("é", "e\u0301", id="two spellings of an accent"),
        pytest.param("\ud800", "\udfff", id="halves of a pair"),
        pytest.param({"": 0}, {}, id="an empty key"),
        pytest.param(0.0, -0.0, id="two zeros"),
    ],
)
def test_different_values_have_different_encodings(one: object, other: object) -> None:
    assert encode(one) != encode(other)


def test_values_of_different_json_types_have_different_encodings() -> None:
    """They are sent to the vendor unchanged, so each may have another token."""
    assert len({encode(value) for value in (1, 1.0, "1", True, None, "null", [1], "true")}) == 8


def test_a_variant_keeps_its_inputs() -> None:
    """Without inputs the key is `-`, that of the gate."""
    assert (Variant("a", {"b": 1}).inputs, Variant("a").inputs) == ({"b": 1}, {})
    assert Variant("a", {}).key == Variant("login").key == ONLY == "-"


def test_a_kind_is_part_of_the_key() -> None:
    inputs = {"organization": "acme"}
    assert Variant("organization", inputs).key != Variant("asked", inputs).key


def test_a_key_is_64_hex_digits() -> None:
    assert re.fullmatch("[0-9a-f]{64}", Variant("parameters", {"parameters": {}}).key)


def test_the_encoding_is_stable() -> None:
    """With another encoding, no stored token would be found."""
    value = {"b": [1, 2.5, True, None, "é"], "a": {}}
    assert encode(value) == b"o44:s1:ao0:s1:ba29:j1:1j3:2.5j4:truej4:nulls2:\xc3\xa9"


def test_the_repr_of_a_variant_has_no_inputs() -> None:
    """An editor's parameters may hold secrets."""
    assert "hunter2" not in repr(Variant("parameters", {"plpass": "hunter2"}))


def test_a_fingerprint_is_the_beginning_of_a_sha256_digest() -> None:
    """Callers and logs use it, so it must not change."""
    assert fingerprint("hunter2") == "f52fbd32b2b3b86f"
    assert Token("hunter2", {}, "https://vendor", 1, 2).fingerprint == fingerprint("hunter2")


def test_the_repr_of_a_token_has_no_secret() -> None:
    """The handoff is a secret, too."""
    secret = {"x": "hunter2"}
    whole = Token("hunter2", secret, "https://v", 1, 2, {"role": "R"}, "hunter2", "hunter2", secret)
    shown = "base_url='https://v', issued_at=1, expires_at=2, context={'role': 'R'}"
    assert repr(whole) == f"Token({shown})"
    least = Token("hunter2", secret, "https://v", 1, 2)
    assert (least.context, least.url, least.renewal, least.handoff) == ({}, None, None, {})
