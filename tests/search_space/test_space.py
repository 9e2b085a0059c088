import json

import pytest
from hypothesis import given

from deap_nas import FlatSpace, HierarchicalSpace
from deap_nas.errors import UnknownNameError
from deap_nas.search_space import SearchSpace, register_space, space_from_dict
from deap_nas.search_space import space as base
from tests.strategies import spaces


@given(spaces())
def test_a_described_space_is_read_back(space):
    twin = space_from_dict(json.loads(json.dumps(space.to_dict())))
    assert twin == space
    assert isinstance(twin, HierarchicalSpace)


@pytest.mark.parametrize("fields", [{"kind": "fractal"}, {}])
def test_an_unknown_kind_is_refused_with_the_known_ones(fields):
    with pytest.raises(UnknownNameError, match=r"unknown search space .*; known: .*hierarchical"):
        space_from_dict(fields)


def test_a_space_of_ones_own_is_read_back_by_its_kind(monkeypatch):
    monkeypatch.setattr(base, "_SPACES", dict(base._SPACES))

    @register_space("for this test")
    class OwnSpace:
        @staticmethod
        def from_dict(fields):
            return FlatSpace(nodes=fields["nodes"])

    assert space_from_dict({"kind": "for this test", "nodes": 3}) == FlatSpace(nodes=3)
    assert OwnSpace.__name__ == "OwnSpace"


def test_the_contract_cannot_be_instantiated():
    with pytest.raises(TypeError, match="abstract"):
        SearchSpace()
