"""The two stages of FreeKD, each with labels and without."""

from .feature_distill import FeatureDistill
from .feature_frequency_prompt_tuning import FeatureFrequencyPromptTuning
from .freekd_distill import FreeKDDistill
from .frequency_prompt_tuning import FrequencyPromptTuning

__all__ = [
    'FeatureDistill',
    'FeatureFrequencyPromptTuning',
    'FreeKDDistill',
    'FrequencyPromptTuning',
]
