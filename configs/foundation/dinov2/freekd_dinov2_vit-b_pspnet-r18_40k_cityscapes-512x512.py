# DINOv2 ViT-B -> PSPNet R18 (69.85 mIoU), its last stage, stride 8
_base_ = [
    '../../_base_/freekd/cityscapes_512x512_40k.py',
    '../../_base_/foundation/dinov2.py'
]
model = dict(
    type='mmfreekd.FreeKDDistill',
    architecture=dict(
        cfg_path='mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py',
        data_preprocessor=dict(size=(512, 512))),
    teacher=_base_.dinov2,
    teacher_ckpt=_base_.dinov2_ckpt,
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', student_source='backbone.layer4',
        teacher_source='backbone', preset='paper'))
