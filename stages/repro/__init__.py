"""`dvc repro`, with independent stages side by side."""
