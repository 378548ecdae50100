# stage 1 of a segmenter: prompts on the last stage of R101, one feature
_base_ = ['mmseg::_base_/default_runtime.py', './prompt_schedule.py']
model = dict(
    type='mmfreekd.FrequencyPromptTuning',
    preset='paper',
    source='backbone.layer4',
    channels=2048)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=500,
        max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'))
