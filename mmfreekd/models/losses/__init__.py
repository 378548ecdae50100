from .freekd_loss import FreeKDLoss
from .prompt_dissimilarity_loss import PromptDissimilarityLoss
from .pyramid_loss import PyramidLoss

__all__ = ['FreeKDLoss', 'PromptDissimilarityLoss', 'PyramidLoss']
