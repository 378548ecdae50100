"""Image encoders without a head: SAM's, DINOv2, and students of them."""

from .dinov2_encoder import Dinov2Encoder
from .embedding_neck import EmbeddingNeck
from .image_encoder import ImageEncoder
from .sam_encoder import SamEncoder

__all__ = ['Dinov2Encoder', 'EmbeddingNeck', 'ImageEncoder', 'SamEncoder']
