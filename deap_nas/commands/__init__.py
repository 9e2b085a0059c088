"""What the subcommands of ``deap-nas`` that need more than a few lines do, and the options they share."""

from deap_nas.commands.check import add_check
from deap_nas.commands.export import add_export
from deap_nas.commands.importing import import_modules
from deap_nas.commands.lineage import add_lineage
from deap_nas.commands.measure import add_test
from deap_nas.commands.merge import add_merge
from deap_nas.commands.options import add_id, chosen_member, chosen_template, network_folder, network_options
from deap_nas.commands.replay import add_replay
from deap_nas.commands.retrain import RetrainingReport, add_retrain
from deap_nas.commands.serve import add_serve
from deap_nas.commands.show import add_report
from deap_nas.commands.table import add_table
from deap_nas.commands.watch import add_watch

__all__ = [
    "RetrainingReport",
    "add_check",
    "add_export",
    "add_id",
    "add_lineage",
    "add_merge",
    "add_replay",
    "add_report",
    "add_retrain",
    "add_serve",
    "add_table",
    "add_test",
    "add_watch",
    "chosen_member",
    "chosen_template",
    "import_modules",
    "network_folder",
    "network_options",
]
