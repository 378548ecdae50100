from .freekd_loss import FreeKDLoss
from .prompt_dissimilarity_loss import PromptDissimilarityLoss

__all__ = ['FreeKDLoss', 'PromptDissimilarityLoss']
