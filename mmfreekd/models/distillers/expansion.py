"""A distillation between two layers, written out for MMRazor's distiller."""

from math import log2
from typing import Dict, List, Optional, Sequence, Tuple, Union

from ...errors import UsageError
from ...registry import type_name
from ..probe import Probed

# the names in the written-out config, to which further losses can refer
RECORDER = 'feature'
CONNECTOR = 'align'
LOSS = 'loss_freekd'
ALIGN = 'mmfreekd.FeatureAlignConnector'


def expand(
    sources: Tuple[str, str],
    probed: Tuple[Probed, Probed],
    loss: Dict,
    data_idx: Union[int, Sequence[int], None],
    given: Dict[str, Dict],
) -> Dict[str, Dict]:
    """Write out recorders, connector, loss and mapping.

    Args:
        sources (tuple[str, str]): The layers of student and teacher.
        probed (tuple[Probed, Probed]): What they put out.
        loss (dict): Arguments of :class:`mmfreekd.models.FreeKDLoss`.
        data_idx (int | list[int], optional): Which pyramid levels of both
            are compared. None: those of about the same size.
        given (dict): What the config writes out by itself: it is added, and
            replaces what would be made under the same name.

    Returns:
        dict: Arguments of MMRazor's ``ConfigurableDistiller``.

    Raises:
        UsageError: If no pyramid levels can be compared.
    """
    student, teacher = probed
    s_idx, t_idx = match_levels(student, teacher, data_idx)
    s_shapes = [student.shapes[i] for i in s_idx]
    t_shapes = [teacher.shapes[i] for i in t_idx]
    s_feature = dict(recorder=RECORDER, from_student=True)
    t_feature = dict(recorder=RECORDER, from_student=False)
    for record, chosen, side in (
        (s_feature, s_idx, student),
        (t_feature, t_idx, teacher),
    ):
        if len(chosen) < len(side.shapes):
            record['data_idx'] = chosen
    connectors = dict(given.pop('connectors', None) or {})
    if s_shapes != t_shapes or CONNECTOR in connectors:
        s_feature['connector'] = CONNECTOR
        own = connectors.get(CONNECTOR) or dict(type=ALIGN)
        if type_name(own) == ALIGN.split('.')[-1]:
            own = dict(
                dict(
                    in_channels=[shape[0] for shape in s_shapes],
                    out_channels=[shape[0] for shape in t_shapes],
                ),
                **own,
            )
        connectors[CONNECTOR] = own
    made = dict(
        student_recorders={RECORDER: _recorder(sources[0], student)},
        teacher_recorders={RECORDER: _recorder(sources[1], teacher)},
        distill_losses={
            LOSS: dict(
                type='mmfreekd.FreeKDLoss',
                channels=[shape[0] for shape in t_shapes],
                data_idx=t_idx,
                **loss,
            )
        },
        loss_forward_mappings={
            LOSS: dict(s_feature=s_feature, t_feature=t_feature)
        },
    )
    return dict(
        connectors=connectors,
        **{
            key: {**entries, **(given.pop(key, None) or {})}
            for key, entries in made.items()
        },
        **given,
    )


def match_levels(
    student: Probed,
    teacher: Probed,
    data_idx: Union[int, Sequence[int], None] = None,
) -> Tuple[List[int], List[int]]:
    """Which pyramid levels are compared with each other.

    Those whose sizes differ by less than a factor of 1.5; if there are none,
    and both have as many levels, one after the other.

    Returns:
        tuple[list[int], list[int]]: The levels of the student and, one for
        each, those of the teacher.

    Raises:
        UsageError: If there are none.
    """
    counts = len(student.shapes), len(teacher.shapes)
    if data_idx is not None:
        chosen = [data_idx] if isinstance(data_idx, int) else list(data_idx)
        if not all(-min(counts) <= i < min(counts) for i in chosen):
            raise UsageError(
                f'data_idx={data_idx} chooses pyramid levels that are not '
                f'there: the student has {counts[0]}, the teacher {counts[1]}'
            )
        return tuple([i % count for i in chosen] for count in counts)
    pairs: List[Tuple[int, int]] = []
    for i, s in enumerate(student.shapes):
        near = [
            (abs(log2(s[1] / t[1])), j)
            for j, t in enumerate(teacher.shapes)
            if j > (pairs[-1][1] if pairs else -1)
        ]
        if near and min(near)[0] < log2(1.5):
            pairs.append((i, min(near)[1]))
    if not pairs and counts[0] == counts[1]:
        pairs = [(i, i) for i in range(counts[0])]
    if not pairs:
        raise UsageError(
            'no pyramid levels of student and teacher have about the same '
            f'size: {student.shapes} and {teacher.shapes} (C, H, W). Take '
            'other layers, or choose levels of both by data_idx'
        )
    return [i for i, _ in pairs], [j for _, j in pairs]


def _recorder(source: str, probed: Probed) -> Dict[str, str]:
    kind = 'mmfreekd.TokenMaps' if probed.tokens else 'mmrazor.ModuleOutputs'
    return dict(type=kind, source=source)


def one_source(source: Optional[str], own: Optional[str], who: str) -> str:
    """The layer of one side: its own, or that of both.

    Raises:
        UsageError: If neither or both are given.
    """
    if (source is None) == (own is None):
        raise UsageError(
            f'distiller: give either source, the same layer of both models, '
            f'or student_source and teacher_source; got source={source!r}, '
            f'{who}_source={own!r}'
        )
    return source or own
