"""The job scripts of docs/slurm.md, as a reader would copy them, with small searches on small nodes."""

import re

from tests.launch import ROOT, TINY

_TINY = " ".join(TINY)
#: What a test puts in the place of sizes of the page: file, what is there, what stands for it.
_SMALL = (
    (r"\w+\.sh", r"(?<=^#SBATCH --nodes=)8\b", "2"),
    (r"apart\.sh", r"-node=4 --gpus-per-node=4 --cpus-per-task=8", "-node=2 --gpus-per-node=2 --cpus-per-task=1"),
    (r"smoke\.sh", r"(?<=^#SBATCH --ntasks-per-node=)4\b", "2"),
    (r"search\.sh", r"(?<=^#SBATCH --ntasks-per-node=)4\b", "1"),
    (r"\w+\.sh", r"(?<=^#SBATCH --gpus-per-node=)4\b", "2"),
    (r"\w+\.sh", r"(?<=^#SBATCH --cpus-per-task=)[68]\b", "1"),
    (r"apart\.sh", r"(?<=--het-group=1 --cpus-per-task=)8\b", "1"),
    (r"smoke\.sh", r"--dataset cifar10 --data-dir data", _TINY),
    (r"smoke\.sh", r"--population 16 --evaluations 32 --mutations 50 --steps 50", ""),
    (r"search\.sh", r"--dataset cifar10 --data-dir data", f"{_TINY} --evaluations=100000"),
    (r"(seeds|apart)\.sh", r"--dataset cifar10 --data-dir data", _TINY),
    (r"seeds\.sh", r"(?<=^#SBATCH --array=)0-4", "0-1"),
    (r"seeds\.sh", r"(?<=^#SBATCH --ntasks=)5\b", "2"),
    (r"retrain\.sh", r"(?<=^#SBATCH --cpus-per-task=)32\b", "2"),
    (r"retrain\.sh", r"SLURM_CPUS_PER_TASK / 4", "SLURM_CPUS_PER_TASK / 2"),
    (r"retrain\.sh", r"--nproc-per-node 4", "--nproc-per-node 2"),
    (r"retrain\.sh", r"retrain runs/hier_evo\.h5", "retrain runs/found.h5 --template small-cifar --channels 2 "
     "--steps 200 --batch-size 32 --runs 1 --device cpu"),
)  # fmt: skip


def scripts():
    """The texts of the page by the names in their comments."""
    page = (ROOT / "docs" / "slurm.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    named = [(re.match(r"(?:#!/bin/bash\n)?# (\w+\.sh)\n", block), block) for block in blocks]
    return {match[1]: block for match, block in named if match}


def write_scripts(folder):
    """Write them into a folder."""
    used = set()
    for name, text in scripts().items():
        (folder / name).write_text(_small(name, text, used), encoding="utf-8")
    assert used == set(_SMALL), "the page has changed, and no longer has these sizes"


def _small(name, text, used):
    for change in _SMALL:
        file, large, small = change
        if re.fullmatch(file, name):
            text, n = re.subn(large, small, text, flags=re.MULTILINE)
            used |= {change} if n else set()
    return text
