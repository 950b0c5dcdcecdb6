"""One file for each published layout: how its archive names and labels pictures, and how to draw one like it.

It defines `entries`, `draw` and `EXPECTED`; where there is need, `companions` (what an archive of fewer pictures holds
beside them), `CLASS` (what a class is called, where its number is written down) and `CAVEAT` (for the model card).
"""
