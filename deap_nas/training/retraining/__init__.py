"""Retraining of a network that a search has found, as papers report it: longer, larger, on the test images."""
