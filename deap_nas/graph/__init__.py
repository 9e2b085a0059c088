"""The lowered network: layers, operations, the graph with its passes, and its canonical key."""

from deap_nas.graph.canonical import canonical_key, graph_key
from deap_nas.graph.graph import MERGES, Graph, Lowers, Node, prune, simplify, split_pools, viable_graph
from deap_nas.graph.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Shape,
)
from deap_nas.graph.operations import (
    PAPER_OPERATIONS,
    Operation,
    conv_bn_relu,
    is_by_channel,
    is_identity,
    is_shareable,
    layers_of,
    operation_names,
    register_operation,
    separable_conv,
)

__all__ = [
    "MERGES",
    "PAPER_OPERATIONS",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "GlobalAvgPool2d",
    "Graph",
    "Layer",
    "Linear",
    "Lowers",
    "MaxPool2d",
    "Node",
    "Operation",
    "ReLU",
    "Shape",
    "canonical_key",
    "conv_bn_relu",
    "graph_key",
    "is_by_channel",
    "is_identity",
    "is_shareable",
    "layers_of",
    "operation_names",
    "prune",
    "register_operation",
    "separable_conv",
    "simplify",
    "split_pools",
    "viable_graph",
]
