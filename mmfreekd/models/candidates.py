"""Which layers of two models can be compared, found without a config."""

from typing import Any, Dict, List, Optional, Tuple

from mmengine.model import BaseModel

from ..errors import UsageError
from .probe import SIZE_ERRORS, Probed, image_shapes, probe_layers

BACKBONE = 'backbone'
NECK = 'neck'


def common_source(student: BaseModel, teacher: BaseModel) -> Dict[str, Any]:
    """The layers where a student can imitate a teacher.

    The necks of detectors; of segmenters the output of the backbone that the
    head takes, usually the last stage.

    Args:
        student (BaseModel): The student.
        teacher (BaseModel): The teacher.

    Returns:
        dict: ``source`` or ``student_source`` and ``teacher_source``, and
        ``data_idx`` where one of several outputs is meant, as
        :class:`mmfreekd.models.FreeKDDistiller` takes them.

    Raises:
        UsageError: If no layer was found; lists candidates with their
            shapes.
    """
    is_segmenter = hasattr(student, 'decode_head')
    sources, outputs = [], []
    for model, who in ((student, 'student'), (teacher, 'teacher')):
        layers = [BACKBONE] if is_segmenter else [NECK, BACKBONE]
        found = _first_steady(model, [*layers, *_stages(model)])
        if found is None:
            raise UsageError(
                f'no layer of the {who} ({type(model).__name__}) was found '
                'that puts out the same feature maps in training and in '
                f'evaluation. Give --source; candidates are '
                f'{candidates(model)}'
            )
        sources.append(found[0])
        outputs.append(len(found[1].shapes))
    chosen: Dict[str, Any] = dict(source=sources[0])
    if sources[0] != sources[1]:
        chosen = dict(student_source=sources[0], teacher_source=sources[1])
    if is_segmenter and max(outputs) > 1:
        indices = {
            _head_input(model) % count
            for model, count in zip((student, teacher), outputs)
        }
        same = len(indices) == 1 and outputs[0] == outputs[1]
        chosen['data_idx'] = indices.pop() if same else -1
    return chosen


def candidates(model: BaseModel) -> str:
    """Layers of a model that put out feature maps, with their shapes."""
    said = []
    for source in (NECK, BACKBONE, *_stages(model)):
        found = _first_steady(model, [source])
        if found is not None:
            shapes = ', '.join('x'.join(map(str, s)) for s in found[1].shapes)
            said.append(f'{source} ({shapes})')
    return '; '.join(said) or 'none'


def refuse_unsteady(model: BaseModel, source: str, who: str) -> None:
    """Raise ``UsageError`` if a layer puts out something else in training.

    Backbones of real-time segmenters, for one, return their auxiliary
    features in training only.

    Args:
        model (BaseModel): The model.
        source (str): A layer that puts out feature maps in evaluation.
        who (str): Whose layer it is, for the message.
    """
    if _first_steady(model, [source]) is None:
        raise UsageError(
            f'{source!r} of the {who} must put out the same feature maps in '
            'training and in evaluation, but it does not. Take another '
            f'layer as source; candidates are {candidates(model)}'
        )


def _stages(model: BaseModel) -> List[str]:
    """The children of the backbone, the last one first."""
    backbone = getattr(model, BACKBONE, None)
    names = (
        [] if backbone is None else [n for n, _ in backbone.named_children()]
    )
    return [f'{BACKBONE}.{name}' for name in reversed(names)]


def _first_steady(
    model: BaseModel, sources: List[str]
) -> Optional[Tuple[str, Probed]]:
    """The first layer with the same output in training and evaluation."""
    modules = dict(model.named_modules())
    for source in sources:
        if source not in modules:
            continue
        found = []
        for training in (True, False):
            for image in image_shapes(model):
                try:
                    layer = (model, source, 'model')
                    found += probe_layers([layer], image, [training])
                    break
                except SIZE_ERRORS:  # UsageError too, of what are no maps
                    continue
        if len(found) == 2 and found[0] == found[1]:
            return source, found[0]
    return None


def _head_input(model: BaseModel) -> int:
    """Which output of the backbone a segmenter's last head takes."""
    head = model.decode_head
    if not hasattr(head, 'in_index') and hasattr(head, '__getitem__'):
        head = head[-1]
    index = getattr(head, 'in_index', -1)
    return index if isinstance(index, int) else index[-1]
