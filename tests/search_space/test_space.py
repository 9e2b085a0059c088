import json

import pytest
from hypothesis import given

from deap_nas import FlatSpace, HierarchicalSpace
from deap_nas.errors import SettingsError, UnknownNameError
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


CELL = """
from dataclasses import dataclass
from deap_nas.search_space import SearchSpace, register_space

class Basis(SearchSpace):
    operations = ("a", "b")

@register_space("of a notebook")
@dataclass(frozen=True)
class Own(Basis):
    length: int = 3
    low = [0, 0]

    @property
    def n_genes(self):
        return self.length

    def validate(self, genotype, most=5):
        super().validate(genotype)

    def lower(self, genotype):
        return None

    def to_dict(self):
        return {"kind": "of a notebook", "length": self.length}

    @classmethod
    def from_dict(cls, fields):
        return cls(fields["length"])
"""


def run_cell(text):
    names = {"__name__": "__main__"}
    exec(compile(text, "cell", "exec"), names)
    return names["Own"]


def test_a_cell_that_is_run_twice_registers_its_class_once(monkeypatch):
    monkeypatch.setattr(base, "_SPACES", dict(base._SPACES))
    first = run_cell(CELL)
    again = run_cell(CELL)
    assert again is first
    assert again(4) == first(4) == space_from_dict({"kind": "of a notebook", "length": 4})
    assert register_space("of a notebook")(first) is first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return None", "return genotype"),
        ("most=5", "most=6"),
        ("length: int = 3", "length: int = 4"),
        ("[0, 0]", "[0, 1]"),
        ("return self.length", "return 2 * self.length"),
        ('cls(fields["length"])', "cls(1)"),
        ("class Own(Basis)", "class Own(SearchSpace)"),
    ],
)
def test_a_kind_that_is_taken_by_another_class_is_refused(monkeypatch, old, new):
    monkeypatch.setattr(base, "_SPACES", dict(base._SPACES))
    first = run_cell(CELL)
    assert CELL.count(old) == 1
    with pytest.raises(SettingsError, match=r"the kind 'of a notebook' .* already taken, by __main__.Own: choose"):
        run_cell(CELL.replace(old, new))
    assert base._SPACES["of a notebook"] is first


def test_classes_that_a_function_makes_with_other_numbers_are_others(monkeypatch):
    monkeypatch.setattr(base, "_SPACES", dict(base._SPACES))

    def make(number):
        class Made(SearchSpace):
            def validate(self, genotype):
                assert genotype == number

            @staticmethod
            def from_dict(fields):
                return Made()

        return register_space("made")(Made)

    assert make(1) is make(1)
    with pytest.raises(SettingsError, match="already taken"):
        make(2)


def test_the_kinds_of_the_package_are_taken():
    for kind in ("hierarchical", "chain"):
        known = base._SPACES[kind]
        with pytest.raises(SettingsError, match=f"the kind '{kind}' of search spaces is already taken, by deap_nas"):
            register_space(kind)(type("Mine", (), {}))
        assert base._SPACES[kind] is known


def test_the_contract_cannot_be_instantiated():
    with pytest.raises(TypeError, match="abstract"):
        SearchSpace()
