"""The config tree: its schema, its rules, how it is loaded, and how it reaches a stage."""
