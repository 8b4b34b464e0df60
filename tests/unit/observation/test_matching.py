"""Law: the index finds exactly the nodes whose labels match, in order of their names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kwatt.model.selectors import LabelSelector, Requirement
from kwatt.observation.matching import NodeIndex
from kwatt.observation.values import ParsedNode

KEYS, VALUES = st.sampled_from("abc"), st.sampled_from("xyz")
LABELS = st.dictionaries(KEYS, VALUES)
REQUIREMENTS = st.builds(
    Requirement,
    KEYS,
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Like"]),
    st.lists(VALUES, max_size=3).map(tuple),
)
SELECTORS = st.lists(REQUIREMENTS, max_size=3).map(lambda found: LabelSelector(tuple(found)))


@given(st.lists(LABELS, max_size=8), st.lists(SELECTORS, min_size=1, max_size=4))
def test_the_index_matches_as_the_selector_does(
    labels: list[dict[str, str]], selectors: list[LabelSelector]
) -> None:
    nodes = [ParsedNode(f"u{n}", f"n{n}", one) for n, one in enumerate(labels)]
    index = NodeIndex(reversed(nodes))

    for selector in selectors:
        expected = [n for n, node in enumerate(nodes) if selector.matches(node.labels)]
        assert list(index.matching(selector)) == expected
