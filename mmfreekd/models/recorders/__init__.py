"""What else can be recorded of a model."""

from .token_maps_recorder import TokenMapsRecorder

__all__ = ['TokenMapsRecorder']
