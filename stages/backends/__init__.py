"""Training backends: `base` is their interface, `lightning` and `keras` implement it."""
