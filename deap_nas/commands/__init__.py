"""What the subcommands of ``deap-nas`` that need more than a few lines do, and the options they share."""

from deap_nas.commands.export import add_export
from deap_nas.commands.options import chosen_member, chosen_template, network_folder, network_options

__all__ = ["add_export", "chosen_member", "chosen_template", "network_folder", "network_options"]
