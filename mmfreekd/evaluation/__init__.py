"""Metrics of what has no labels."""

from .embedding_metric import EmbeddingError

__all__ = ['EmbeddingError']
