# stage 1 of a detector: prompts on its neck, five levels of 256 channels
_base_ = ['mmdet::_base_/default_runtime.py', './prompt_schedule.py']
model = dict(
    type='mmfreekd.FrequencyPromptTuning',
    preset='paper',
    source='neck',
    channels=256,
    num_levels=5)
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)
