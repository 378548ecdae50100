"""Presets: what one word in a config stands for, in both stages."""

from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Optional, Union

from .errors import UsageError
from .frequency.bands import check_layout
from .frequency.distance import check_distance
from .frequency.wavelet import check_wavelet

# the choices that prompts are tuned with, and that prompts.pth tells
STAGE_1 = ('num_prompts', 'levels', 'band_layout', 'wavelet')


@dataclass(frozen=True)
class Preset:
    """What both stages share, and the choices of each.

    Attributes:
        num_prompts (int): Prompts T for each band. Defaults to 2.
        band_layout (str): Which bands have masks of their own. Defaults to
            'subband'.
        overlap (str): What stage 1 keeps the masks of a band from, a kind of
            :func:`mmfreekd.frequency.mask_overlap`. Defaults to 'jaccard'.
        low_band (bool): Whether the low band counts in the distance.
            Defaults to True.
        position_gate (dict, optional): Arguments of
            :class:`mmfreekd.models.PositionGate`; None for no weights.
            Defaults to None.
        normalize (bool): Whether the distance compares features whose
            channels are normalised. Defaults to False.
        low_penalty (str): What a difference costs in the low band. Defaults
            to 'l1'.
        high_penalty (str): The same for the other bands. Defaults to 'l1'.
        refine_masks (bool): Whether the student's masks refine the
            teacher's. Defaults to False.
        prompt_reduction (str): How the masks of a band become one. Defaults
            to 'mean'.
        levels (int): Wavelet levels J. Defaults to 3.
        wavelet (str): Defaults to 'haar'.
        high_weight (float): What the other bands than the low one count in
            the distance, 0 or more. Defaults to 1.0.

    Raises:
        UsageError: If a choice is not known or does not fit.
    """

    num_prompts: int = 2
    band_layout: str = 'subband'
    overlap: str = 'jaccard'
    low_band: bool = True
    position_gate: Optional[dict] = None
    normalize: bool = False
    low_penalty: str = 'l1'
    high_penalty: str = 'l1'
    refine_masks: bool = False
    prompt_reduction: str = 'mean'
    levels: int = 3
    wavelet: str = 'haar'
    high_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.num_prompts < 0:
            raise UsageError(
                f'num_prompts must not be negative, got {self.num_prompts}'
            )
        if not isinstance(self.position_gate, (dict, type(None))):
            raise UsageError(
                'position_gate must be a dict of arguments of PositionGate, '
                "None for the preset's or False for no weights, got "
                f'{self.position_gate!r}'
            )
        check_layout(self.levels, self.band_layout)
        check_wavelet(self.wavelet)
        check_distance(
            self.low_band,
            self.high_weight,
            self.prompt_reduction,
            self.low_penalty,
            self.high_penalty,
        )

    @property
    def layout(self) -> dict:
        """What prompts and masks are made with."""
        return dict(
            levels=self.levels,
            band_layout=self.band_layout,
            wavelet=self.wavelet,
        )

    @property
    def distance(self) -> dict:
        """What :func:`mmfreekd.frequency.frequency_distance` is told."""
        return dict(
            self.layout,
            low_band=self.low_band,
            high_weight=self.high_weight,
            prompt_reduction=self.prompt_reduction,
            low_penalty=self.low_penalty,
            high_penalty=self.high_penalty,
        )


PAPER = Preset(position_gate=dict(side='both'))
OFFICIAL = Preset(
    num_prompts=6, band_layout='level', overlap='dice', low_band=False
)
# our reading of the abstract of FreeKD+
PLUS = replace(
    PAPER,
    normalize=True,
    low_penalty='mse',
    high_penalty='log_mse',
    refine_masks=True,
)
# chosen by trials on the validation splits of configs/experiments
RECOMMENDED = Preset(
    normalize=True,
    low_penalty='mse',
    high_penalty='mse',
    prompt_reduction='max',
)
PRESETS = dict(
    paper=PAPER, official=OFFICIAL, plus=PLUS, recommended=RECOMMENDED
)


def resolve_preset(preset: Union[str, dict], **given) -> Preset:
    """A preset by its name, with the changes of a config.

    Args:
        preset (str | dict): ``'paper'``, ``'official'`` (the authors'
            release), ``'plus'`` (FreeKD+), ``'recommended'``, or
            ``dict(name=..., **changes)`` with attributes of :class:`Preset`.
        **given: Further changes.

    In both, None leaves the preset's choice and False switches
    ``position_gate`` off.

    Returns:
        Preset: The choices.

    Raises:
        UsageError: If there is no such preset or attribute, or a choice is
            not valid.
    """
    choice = preset if isinstance(preset, dict) else dict(name=preset)
    if choice.get('name') not in tuple(PRESETS):
        raise UsageError(
            f'preset must be one of {tuple(PRESETS)} or dict(name=one of '
            f'them, ...), got {preset!r}'
        )
    changes = {**choice, **without_none(given)}
    base = PRESETS[changes.pop('name')]
    known = [field.name for field in fields(Preset)]
    for name in changes:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise UsageError(
                f'preset: there is no choice {name!r}'
                + (f', did you mean {near[0]!r}?' if near else '')
                + f' Known are {", ".join(known)}'
            )
    changes = without_none(changes)
    if changes.get('position_gate') is False:
        changes['position_gate'] = None
    return replace(base, **changes)


def without_none(given: dict) -> dict:
    """The entries that say something."""
    return {key: value for key, value in given.items() if value is not None}
