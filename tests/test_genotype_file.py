import json
import random

import numpy as np
import pytest

from deap_nas import (
    FlatSpace,
    Genotype,
    HierarchicalSpace,
    NetworkTemplate,
    canonical_key,
    cost,
    initDiversified,
    load_genotype,
    save_genotype,
)
from deap_nas.errors import ExportError, GenotypeError, NotViableError, UnknownNameError

SPACE = FlatSpace(nodes=4)
TEMPLATE = NetworkTemplate.large_cifar(n_classes=3, channels=5, image_size=24)
GENES = Genotype([1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize("space", [SPACE, HierarchicalSpace(), HierarchicalSpace(merge="add", projected_levels=())])
def test_what_was_saved_is_loaded(space, tmp_path):
    genes = initDiversified(Genotype, space, rng=random.Random(1))
    save_genotype(tmp_path / "genotype.json", space, genes, TEMPLATE)
    loaded = load_genotype(tmp_path / "genotype.json")
    assert loaded == (space, genes, TEMPLATE)
    assert type(loaded[1]) is Genotype


def test_genes_of_numpy_are_saved_as_plain_integers(tmp_path):
    save_genotype(tmp_path / "genotype.json", SPACE, np.array(GENES, dtype=np.uint8), TEMPLATE)
    assert load_genotype(tmp_path / "genotype.json") == (SPACE, GENES, TEMPLATE)


def test_file_tells_other_programs_what_the_network_is_and_costs(tmp_path):
    save_genotype(tmp_path / "genotype.json", SPACE, GENES, TEMPLATE, source={"id": 7})
    fields = json.loads((tmp_path / "genotype.json").read_text())
    size = cost(SPACE, GENES, TEMPLATE)
    assert fields["genes"] == [1, 2, 3, 4, 5, 6]
    assert fields["space"] == SPACE.to_dict()
    assert fields["template"] == TEMPLATE.to_dict()
    assert fields["cost"] == {"n_parameters": size.n_parameters, "flops": size.flops}
    assert fields["canonical_key"] == canonical_key(SPACE, GENES)
    assert fields["source"] == {"id": 7}


def test_genotype_that_is_no_network_leaves_the_file_that_is_there(tmp_path):
    save_genotype(tmp_path / "genotype.json", SPACE, GENES, TEMPLATE)
    with pytest.raises(NotViableError):
        save_genotype(tmp_path / "genotype.json", SPACE, [0] * 6, TEMPLATE)
    assert load_genotype(tmp_path / "genotype.json")[1] == GENES
    assert [path.name for path in tmp_path.iterdir()] == ["genotype.json"]


def changed(tmp_path, **fields):
    """Path of a genotype file with other values in some fields; None takes the field away."""
    path = tmp_path / "genotype.json"
    save_genotype(path, SPACE, GENES, TEMPLATE)
    fields = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({name: value for name, value in fields.items() if value is not None}))
    return path


@pytest.mark.parametrize(
    "fields",
    [{name: None} for name in ("format", "format_version", "genes", "space", "template")]
    + [
        {"space": []},
        {"space": {"kind": "hierarchical", "nodes": [0]}},
        {"space": {"kind": "hierarchical", "motifs": [1], "nodes": [100_000]}},
        {"template": {}},
        {"template": "large"},
        {"template": TEMPLATE.to_dict() | {"n_classes": float("inf")}},
        {"genes": "12"},
    ],
)
def test_file_without_its_parts_is_refused(fields, tmp_path):
    path = changed(tmp_path, **fields)
    with pytest.raises(ExportError, match="is no genotype file: "):
        load_genotype(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "12", "\x80", "[" * 200_000], ids=lambda text: text[:5])
def test_text_that_is_no_genotype_file_is_refused(text, tmp_path):
    (tmp_path / "genotype.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ExportError, match="is no genotype file"):
        load_genotype(tmp_path / "genotype.json")


def test_file_of_another_version_is_refused(tmp_path):
    path = changed(tmp_path, format_version=2)
    with pytest.raises(
        ExportError, match="'deap_nas genotype' of version 2, expected 'deap_nas genotype' of version 1"
    ):
        load_genotype(path)


def test_genes_of_another_space_and_unknown_operations_are_refused(tmp_path):
    path = changed(tmp_path, genes=[1, 2])
    with pytest.raises(GenotypeError, match="expected 6 genes"):
        load_genotype(path)
    path = changed(tmp_path, space=SPACE.to_dict() | {"operations": ["conv_of_my_own"]})
    with pytest.raises(UnknownNameError, match="conv_of_my_own"):
        load_genotype(path)
    path = changed(tmp_path, space={"kind": "of my own"})
    with pytest.raises(UnknownNameError, match="of my own"):
        load_genotype(path)
