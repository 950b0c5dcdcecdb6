"""Hydra multiruns: a parent run in MLflow, a table at the end; the same command again runs what is missing."""
