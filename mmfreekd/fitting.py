"""What of a checkpoint fits a model, and how to say what does not."""

from typing import Dict, Iterable, List

# of batch norms; old checkpoints do not have it, and it says nothing
COUNTER = 'num_batches_tracked'


def fitting(own: Dict, given: Dict) -> List[str]:
    """What of a model's weights is there, with the same name and shape.

    Args:
        own (dict[str, Tensor]): The model's own weights.
        given (dict[str, Tensor]): Weights from elsewhere.

    Returns:
        list[str]: Names; none if only counters of batch norms would fit.
    """
    fits = [
        k for k, v in own.items() if k in given and v.shape == given[k].shape
    ]
    return fits if any(not name.endswith(COUNTER) for name in fits) else []


def unfit_numbers(own: Dict, weights: Dict) -> List[str]:
    """What of the weights holds numbers that a model cannot compute with.

    Args:
        own (dict[str, Tensor]): The model's own weights.
        weights (dict[str, Tensor]): The weights that it is given.

    Returns:
        list[str]: A line for each.
    """
    said = []
    for name, value in weights.items():
        kind = own.get(name, value).dtype
        if value.is_floating_point() != kind.is_floating_point:
            said.append(f'{name} is {value.dtype}, expected {kind}')
        elif not value.isfinite().all():
            said.append(f'{name} is not finite')
    return said


def nothing_of(model: str, weights: Iterable[str]) -> str:
    """The message for weights of which a model can use none.

    Args:
        model (str): What the model is called.
        weights (Iterable[str]): Their names.

    Returns:
        str: With what they may be instead, and how to mend it.
    """
    names = list(weights)
    said = f'the checkpoint holds nothing of this {model}. '
    if any(name.startswith('architecture.') for name in names):
        return said + (
            'It is one of a distillation: take the student_*.pth beside it, '
            'or the config of the distillation'
        )
    return said + (
        'Its config and checkpoint must belong together; a teacher or an '
        'exported student is loaded with its own config, and a distillation '
        'starts from a student by model.student_ckpt. The checkpoint '
        f'holds {", ".join(names[:3]) or "no weights"}, ...'
    )


def listing(title: str, items: List[str], most: int = 10) -> List[str]:
    """Lines of a message: a title and the first of some items, or none."""
    if not items:
        return []
    more = [f'    ... and {len(items) - most} more'] * (len(items) > most)
    return [
        f'  {title} ({len(items)}):',
        *(f'    {item}' for item in items[:most]),
        *more,
    ]
