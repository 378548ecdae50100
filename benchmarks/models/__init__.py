"""Models and losses that only the experiments need."""

from .efficientnet_lite import EfficientNetLite
from .mask_controls import EnergyMaskLoss, MaskControlLoss
from .pyramid_connector import PyramidConnector
from .weighted_cross_entropy import WeightedCrossEntropy

__all__ = [
    'EfficientNetLite',
    'EnergyMaskLoss',
    'MaskControlLoss',
    'PyramidConnector',
    'WeightedCrossEntropy',
]
