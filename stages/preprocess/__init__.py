"""preprocess: a published archive → `data/prepared/<dataset>/`, one packed uint8 array for each split."""
