"""One file for each architecture; its name is the name in YAML.

A file defines `build(classes, size, *, ...)`, which returns a torch module from normalised images
(N x 3 x size x size) to logits (N x classes); the keyword-only arguments are the keys that YAML may set.
It may define `IMAGENET` (a torchvision weights enum), `backbone(network)`, the part those weights fit, and `HEAD`, the
name of the part that turns features into logits, which `freeze: all` still trains.
It imports nothing of this project, since it travels inside the TorchServe archive.
"""
