# stage 2: DINOv2 ViT-B -> PSPNet R18 (69.85 mIoU), its last stage, stride 8
_base_ = [
    '../../_base_/freekd/cityscapes_512x512_40k.py',
    '../../_base_/freekd/freekd_backbone.py',
    '../../_base_/freekd/freekd_hooks.py',
    '../../_base_/foundation/dinov2.py'
]
_base_.distiller.distill_losses.loss_freekd.update(
    channels=768,
    prompt_ckpt='work_dirs/prompt_dinov2_vit-b_cityscapes/prompts.pth')
_base_.distiller.connectors.align.update(out_channels=768, scale_factor=0.5)
_base_.distiller.teacher_recorders.feature.source = 'backbone'
model = dict(
    type='mmfreekd.FreeKDDistill',
    architecture=dict(
        cfg_path='mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py',
        data_preprocessor=dict(size=(512, 512))),
    teacher=_base_.dinov2,
    teacher_ckpt=_base_.dinov2_ckpt,
    distiller=_base_.distiller)
