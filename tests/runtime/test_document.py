"""Documents as text: what is no JSON object is one clear error, everything else is judged later, by its place."""
from __future__ import annotations

import json
import time

import pytest

from caplex.runtime.document import read_json
from caplex.runtime.errors import DocumentError


@pytest.mark.parametrize(("data", "said"), [
    (b"\xff{}", "not UTF-8"), ("", "not JSON"), ("{", "not JSON"), ("[]", "a JSON object is wanted"), ("1", "a JSON object is wanted"),
    ('{"a":' * 100_000, "nested too deeply"), ("{'a': 1}", "not JSON"), ('{"a": 1,}', "not JSON"), ("\x00", "not JSON"), ('{"a": "\n"}', "not JSON"),
])
def test_what_is_no_object(data, said):
    with pytest.raises(DocumentError) as caught:
        read_json(data, "facts.json")
    assert said in str(caught.value)
    assert str(caught.value).startswith("facts.json")


def test_numbers_are_kept_by_their_digits(world, document):
    text = json.dumps(document()).replace('"price": "200"', '"price": 200.00000000000000000000000000000000000001')
    read = world(read_json(text))
    assert str(read.cell("market", "AAPL", "price")) == "20000000000000000000000000000000000000001/100000000000000000000000000000000000000"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999999999", "1e99999999999999999999", "9" * 5000, "0." + "1" * 5000, "1e-999999999"])
def test_numbers_that_are_none_name_their_field(world, document, number):
    start = time.perf_counter()
    text = json.dumps(document()).replace('"price": "200"', f'"price": {number}')
    read = world(read_json(text))
    assert read.document_problems == []
    (leaf,) = read.cell("market", "AAPL", "price").leaves
    assert (leaf.sys, leaf.path) == ("SYS-005", "/market/AAPL/price")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(("old", "new", "path"), [
    ('"quantity": "300"', '"quantity": "300", "quantity": "1"', "/intent/quantity"),
    ('"counters"', '"counters": {}, "counters"', "/counters"),
    ('"lot": "1"', '"lot": "1", "lot": "2"', "/instruments/AAPL/lot"),
])
def test_a_key_that_stands_twice_makes_the_document_unusable(world, document, old, new, path):
    problems = world(read_json(json.dumps(document()).replace(old, new))).document_problems
    assert [(leaf.path, leaf.problem) for leaf in problems] == [(path, "duplicate-key")]


def test_a_byte_order_mark_is_no_obstacle():
    assert read_json(b"\xef\xbb\xbf{}") == {}
