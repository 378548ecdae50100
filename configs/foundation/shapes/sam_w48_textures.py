# a small encoder of SAM's kind, trained to segment the textured shapes: the
# teacher of the experiment with embeddings
_base_ = [
    '../../_base_/models/pspnet_shapes.py',
    '../../_base_/datasets/textures_cityscapes.py',
    '../../_base_/schedules/shapes.py'
]
default_scope = 'mmseg'
metric = 'mIoU'
norm_cfg = dict(type='BN', requires_grad=True)
max_iters = 300
model = dict(
    data_preprocessor=dict(size=(64, 64)),
    backbone=dict(
        _delete_=True,
        type='mmfreekd.SamEncoder',
        image_size=64,
        arch=dict(
            hidden_size=48,
            num_attention_heads=4,
            num_hidden_layers=4,
            global_attn_indexes=[1, 3],
            window_size=4,
            patch_size=4,
            output_channels=64)),
    decode_head=dict(
        _delete_=True,
        type='FCNHead',
        in_channels=64,
        in_index=0,
        channels=64,
        num_convs=1,
        concat_input=False,
        num_classes=8,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss')),
    auxiliary_head=None)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters,
         eta_min=1e-5)
]
