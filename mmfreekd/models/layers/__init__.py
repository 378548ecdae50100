from .frequency_prompt import FrequencyPrompt

__all__ = ['FrequencyPrompt']
