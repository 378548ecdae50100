"""Transforms of images."""

from .corruptions import CommonCorruption

__all__ = ['CommonCorruption']
