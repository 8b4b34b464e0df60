"""Documents of server-side apply: JSON and YAML at once."""

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from kwatt.cluster.encoding import apply_document

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(TEXTS, max_size=3))
def test_json_and_yaml_read_the_same(texts):
    body = {"texts": texts}
    document = apply_document(body)

    assert json.loads(document) == body
    assert yaml.safe_load(document) == body


def test_no_surrogate_pair_is_escaped():
    assert apply_document({"a": "\U0001f469"}) == '{"a":"\U0001f469"}'.encode()
