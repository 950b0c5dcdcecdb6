"""index: featurised pictures → `artifacts/indexes/<index>/`, searched exactly within any combination of labels."""
