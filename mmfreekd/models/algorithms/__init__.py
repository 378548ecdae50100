"""The two stages of FreeKD."""

from .freekd_distill import FreeKDDistill
from .frequency_prompt_tuning import FrequencyPromptTuning

__all__ = ['FreeKDDistill', 'FrequencyPromptTuning']
