# stage 2: DINOv2 ViT-B -> SegFormer B0 (37.41 mIoU), its last stage, stride 32
_base_ = [
    'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
    '../../_base_/freekd/freekd_backbone.py',
    '../../_base_/freekd/freekd_hooks.py',
    '../../_base_/foundation/dinov2.py'
]
_base_.distiller.distill_losses.loss_freekd.update(
    channels=768, prompt_ckpt='work_dirs/prompt_dinov2_vit-b_ade20k/prompts.pth')
_base_.distiller.connectors.align.update(
    in_channels=256, out_channels=768, scale_factor=2)
_base_.distiller.student_recorders.feature.source = 'backbone'
_base_.distiller.teacher_recorders.feature.source = 'backbone'
_base_.distiller.loss_forward_mappings.loss_freekd.s_feature.data_idx = 3
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=_base_.dinov2,
    teacher_ckpt=_base_.dinov2_ckpt,
    distiller=_base_.distiller)
