"""The two stages of FreeKD, each with labels and without."""

from .feature_distill import FeatureDistill
from .freekd_distill import FreeKDDistill
from .frequency_prompt_tuning import FrequencyPromptTuning

__all__ = [
    'FeatureDistill',
    'FreeKDDistill',
    'FrequencyPromptTuning',
]
