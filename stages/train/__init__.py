"""train: a prepared dataset → `artifacts/models/<model>/`, weights that describe themselves."""
