"""Metrics of what has no labels."""

from .embedding_error import EmbeddingError

__all__ = ['EmbeddingError']
