"""evaluate: a trained model and the test split → `artifacts/reports/<model>/`."""
