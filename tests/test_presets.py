"""A preset by its name, changed by a config: None keeps, False is off."""

from dataclasses import replace

import pytest

from mmfreekd.errors import UsageError
from mmfreekd.presets import PRESETS, resolve_preset


@pytest.mark.parametrize(
    'preset, given, changes',
    [
        ('plus', dict(normalize=None, levels=None), dict()),
        ('plus', dict(normalize=False), dict(normalize=False)),
        ('paper', dict(position_gate=None), dict()),
        ('paper', dict(position_gate=False), dict(position_gate=None)),
        (dict(name='paper', levels=2), dict(), dict(levels=2)),
        (dict(name='paper', levels=2), dict(levels=None), dict(levels=2)),
        (dict(name='paper', levels=2), dict(levels=1), dict(levels=1)),
        (
            dict(name='official', position_gate=dict(side='both')),
            dict(wavelet='db2', high_weight=0.3),
            dict(
                position_gate=dict(side='both'),
                wavelet='db2',
                high_weight=0.3,
            ),
        ),
    ],
)
def test_none_leaves_a_choice_and_false_does_not(preset, given, changes):
    name = preset if isinstance(preset, str) else preset['name']
    before, argument = dict(PRESETS), str(preset)
    expected = replace(PRESETS[name], **changes)
    assert resolve_preset(preset, **given) == expected
    assert before == PRESETS and str(preset) == argument


@pytest.mark.parametrize(
    'preset, message',
    [
        ('Paper', "'paper', 'official', 'plus'.*got 'Paper'"),
        ('', "got ''"),
        (None, "'paper', 'official', 'plus'.*got None"),
        (['paper'], r"got \['paper'\]"),
        (dict(levels=2), r'dict\(name=one of them.*got {.levels.: 2}'),
        (dict(name=['paper']), r"got {'name': \['paper'\]}"),
        (
            dict(name='paper', num_prompt=2),
            "no choice 'num_prompt', did you mean 'num_prompts'.*Known are",
        ),
        (dict(name='paper', num_prompts=-1), 'num_prompts.*-1'),
        (dict(name='paper', levels=0), 'levels must be a positive.*got 0'),
        (dict(name='paper', band_layout='x'), "'subband', 'level'.*got 'x'"),
        (dict(name='paper', wavelet='x'), "wavelet.*'x'"),
        (dict(name='paper', low_penalty='l2'), "low_penalty.*got 'l2'"),
        (dict(name='paper', high_penalty='l2'), "high_penalty.*got 'l2'"),
        (
            dict(name='paper', prompt_reduction='min'),
            "prompt_reduction.*got 'min'",
        ),
        (dict(name='official', high_weight=0.0), 'no band counts'),
        (
            dict(name='paper', position_gate='both'),
            "dict of arguments.*False for no weights, got 'both'",
        ),
        (dict(name='paper', position_gate=True), 'got True'),
    ],
)
def test_refuses_what_it_does_not_know(preset, message):
    with pytest.raises(UsageError, match=message):
        resolve_preset(preset)
