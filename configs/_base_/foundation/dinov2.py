# a frozen DINOv2 ViT-B as teacher: the map of its last block, stride 16
dinov2 = dict(
    type='mmfreekd.ImageEncoder',
    data_preprocessor=dict(
        type='mmseg.SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(512, 512),
        test_cfg=dict(size_divisor=32)),
    backbone=dict(type='mmfreekd.Dinov2Encoder', arch='b'))
dinov2_ckpt = 'checkpoints/dinov2_vit-b_encoder.pth'
