"""A search space as a user writes it: a list of ints, one operation after the other."""

from deap_nas import Graph
from deap_nas.errors import GenotypeError
from deap_nas.graph import Node
from deap_nas.search_space import Edge, Motif, SearchSpace, register_space


class PlainChain(SearchSpace):
    """Not registered, so that no file can be read with it."""

    def __init__(self, *, length=6, operations=("identity", "conv_1x1", "conv_3x3", "max_pool_3x3")):
        self.operations = tuple(operations)
        self.n_genes = length
        self.low, self.up = [0] * length, [len(operations) - 1] * length

    def __eq__(self, other):
        return isinstance(other, PlainChain) and self.to_dict() == other.to_dict()

    __hash__ = None

    def validate(self, genes):
        is_legal = len(genes) == self.n_genes and all(type(gene) is int for gene in genes)
        if not is_legal or not all(0 <= gene <= self.up[0] for gene in genes):
            raise GenotypeError(f"expected {self.n_genes} integers in 0..{self.up[0]}, found {genes}")

    def lower(self, genes):
        self.validate(genes)
        nodes = [Node(self.operations[gene], (place,), path=(place,)) for place, gene in enumerate(genes)]
        return Graph((Node("input"), *nodes), output=len(genes))

    def motifs_of(self, genes):
        self.validate(genes)
        edges = (Edge(place, place + 1, self.operations[gene], used=True) for place, gene in enumerate(genes, start=1))
        return (Motif("chain", 2, len(genes) + 1, tuple(edges)),)

    def to_dict(self):
        return {"kind": "plain chain", "length": self.n_genes, "operations": list(self.operations)}

    @classmethod
    def from_dict(cls, fields):
        return cls(length=fields["length"], operations=fields["operations"])


@register_space("chain of the tests")
class Chain(PlainChain):
    """The same, registered."""

    def to_dict(self):
        return super().to_dict() | {"kind": "chain of the tests"}
