"""A sweep: its jobs by whichever launcher, its table, its parent run in MLflow; a repeat runs what is missing."""
