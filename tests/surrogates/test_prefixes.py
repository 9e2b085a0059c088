import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deap_nas.surrogates.prefixes import PrefixTree, prefix_order

#: Rows with few tokens, so that many begin alike and some are equal.
rows_strategy = st.integers(1, 5).flatmap(
    lambda length: st.lists(st.lists(st.integers(0, 2), min_size=length, max_size=length), min_size=1, max_size=30)
)


def tree_of(rows):
    rows = np.array(rows, dtype=np.uint8)
    return PrefixTree(rows[prefix_order(rows)])


def prefixes_of(tree):
    """The prefixes of each length, spelled out by way of their parents."""
    spelled, found = [()], []
    for parents, tokens in tree.levels():
        spelled = [(*spelled[parent], token) for parent, token in zip(parents, tokens.tolist(), strict=True)]
        found.append(spelled)
    return found


@given(rows_strategy)
def test_rows_are_ordered_by_their_first_tokens(rows):
    array = np.array(rows, dtype=np.uint8)
    assert array[prefix_order(array)].tolist() == sorted(rows)


@given(rows_strategy)
def test_each_prefix_is_there_once_and_leads_on_from_its_parent(rows):
    for length, found in enumerate(prefixes_of(tree_of(rows)), start=1):
        assert found == sorted({tuple(row[:length]) for row in rows})


@given(rows_strategy)
def test_leaves_are_the_rows_themselves(rows):
    tree = tree_of(rows)
    whole = prefixes_of(tree)[-1]
    assert [list(whole[leaf]) for leaf in tree.leaves] == sorted(rows)
