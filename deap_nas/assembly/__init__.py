"""Graph to ``torch.nn.Module``. Needs the extra ``torch``."""

from deap_nas.extras import require

require("torch", extra="torch")

from deap_nas.assembly.network import Network, build_layer, build_network  # noqa: E402 - after the check above

__all__ = ["Network", "build_layer", "build_network"]
