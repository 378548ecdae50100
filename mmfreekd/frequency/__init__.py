"""FreeKD in the order of the paper; needs nothing but PyTorch.

1. :mod:`.bands` names what a wavelet transform returns.
2. :mod:`.wavelet` takes a feature map into its bands and back.
3. :mod:`.masks` turns frequency prompts into pixel-wise masks of the bands;
   :mod:`.overlap` says how much these have in common.
4. :mod:`.position` weighs channels by where they stand.
5. :mod:`.distance` compares two features band by band under masks and
   weights.

Convention:
    Features are ``(N, C, H, W)``. Wavelet levels run from the finest to the
    coarsest; inside a level the orientations are horizontal, vertical and
    diagonal detail, as PyWavelets names them (``cH, cV, cD``). Whatever holds
    one entry per band holds the low band first, then level by level.
"""

from .bands import BAND_LAYOUTS, FrequencyBands, band_names, num_bands
from .distance import distance_per_band, frequency_distance
from .masks import apply_masks, frequency_masks
from .overlap import mask_overlap
from .position import channel_relation, position_weights
from .reference import normalize_channels
from .wavelet import wavedec2, waverec2

__all__ = [
    'BAND_LAYOUTS',
    'FrequencyBands',
    'apply_masks',
    'band_names',
    'channel_relation',
    'distance_per_band',
    'frequency_distance',
    'frequency_masks',
    'mask_overlap',
    'normalize_channels',
    'num_bands',
    'position_weights',
    'wavedec2',
    'waverec2',
]
