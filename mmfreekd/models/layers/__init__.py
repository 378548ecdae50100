from .frequency_prompt import FrequencyPrompt
from .position_gate import PositionGate

__all__ = ['FrequencyPrompt', 'PositionGate']
