"""One file for each published layout: how its archive names and labels pictures, and how to draw one like it."""
