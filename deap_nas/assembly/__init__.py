"""Graph to ``torch.nn.Module``, and to files that run elsewhere. Needs the extra ``torch``."""

from deap_nas.extras import require

require("torch", extra="torch")

from deap_nas.assembly.modules import build_layer  # noqa: E402 - after the check above
from deap_nas.assembly.network import Network, assemble, build_network, weight_names  # noqa: E402 - after the check above
from deap_nas.assembly.network_files import ExportedFile, export_network  # noqa: E402 - after the check above
from deap_nas.assembly.weights import Weights, read_weights  # noqa: E402 - after the check above

__all__ = [
    "ExportedFile",
    "Network",
    "Weights",
    "assemble",
    "build_layer",
    "build_network",
    "export_network",
    "read_weights",
    "weight_names",
]
