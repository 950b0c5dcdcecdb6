"""fetch: a URL, a path or a drawing → `data/raw/<dataset>/`, the archive as published."""
