"""The fitness of a genotype: how well its network classifies after a training."""
