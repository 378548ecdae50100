# stage 1 of the small encoder, without labels
_base_ = './sam_w48_textures.py'
max_iters = 100
metric = 'embedding/mse'
model = dict(
    _delete_=True,
    type='mmfreekd.FeatureFrequencyPromptTuning',
    architecture={{_base_.model}},
    teacher_ckpt='work_dirs/sam_w48_textures/iter_300.pth',
    source='backbone',
    channels=64,
    preset='paper')
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
val_evaluator = dict(_delete_=True, type='mmfreekd.EmbeddingError')
test_evaluator = val_evaluator
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.01, weight_decay=1e-3))
param_scheduler = [
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=max_iters,
         eta_min=1e-6)
]
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.PromptCheckpointHook')
]
