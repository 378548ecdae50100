# the teacher of the segmentation experiments
_base_ = [
    '../../../configs/_base_/models/pspnet_shapes.py',
    '../../../configs/_base_/datasets/textures_cityscapes.py',
    '../../../configs/_base_/schedules/shapes.py',
]
default_scope = 'mmseg'
metric = 'mIoU'
max_iters = 1500
num_classes = 8
head = dict(
    num_classes=num_classes,
    loss_decode=dict(class_weight=[0.3] + [1.0] * (num_classes - 1)),
)
model = dict(
    data_preprocessor=dict(size=(64, 64)),
    backbone=dict(strides=(1, 2, 1, 1)),
    decode_head=head,
    auxiliary_head=head,
)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=50,
        end=max_iters,
        eta_min=1e-5,
    ),
]
