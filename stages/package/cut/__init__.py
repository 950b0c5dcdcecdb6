"""A network, cut at a layer: the featurisers of indexes, a file for each framework."""

from typing import TYPE_CHECKING

from stages.package.cut.source import Source

if TYPE_CHECKING:
    from torch import nn


def featuriser(source: Source) -> "nn.Module":
    """Return a network up to a layer as one PyTorch module, raw pixels to features, ready for export."""
    if source.framework == "keras":
        from stages.backends.keras import backend

        backend.choose("torch")  # what it is exported by
        from stages.package.cut.keras import portable

        return portable(source)
    from stages.package.cut.lightning import featuriser

    return featuriser(source)
