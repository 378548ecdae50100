from typing import Dict, List, Sequence

from mmengine.evaluator import BaseMetric

from ..models.feature_errors import COSINE, MSE
from ..registry import METRICS


@METRICS.register_module()
class EmbeddingError(BaseMetric):
    """How far features are from the teacher's on images without labels.

    For :class:`mmfreekd.models.FeatureDistill`, and for
    :class:`mmfreekd.models.FrequencyPromptTuning` without a task loss. Gives
    ``embedding/mse``, the mean squared difference, and ``embedding/cosine``,
    the mean cosine of the feature vectors, averaged over the images.
    """

    default_prefix = 'embedding'

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Collect what the algorithms have noted in the samples."""
        self.results += [(s[MSE], s[COSINE]) for s in data_samples]

    def compute_metrics(self, results: List[tuple]) -> Dict[str, float]:
        """Average over the images."""
        mse, cosine = zip(*results)
        return dict(
            mse=sum(mse) / len(results), cosine=sum(cosine) / len(results)
        )
