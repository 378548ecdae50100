# the teacher of the segmentation demo
_base_ = [
    '../_base_/models/pspnet_shapes.py',
    '../_base_/datasets/shapes_cityscapes.py', '../_base_/schedules/shapes.py'
]
default_scope = 'mmseg'
max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters,
         eta_min=1e-5)
]
