# DINOv2 ViT-B -> SegFormer B0 (37.41 mIoU), its last stage, stride 32
_base_ = [
    'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
    '../../_base_/foundation/dinov2.py'
]
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=_base_.dinov2,
    teacher_ckpt=_base_.dinov2_ckpt,
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='backbone', preset='paper',
        # not the stage that is as large as the teacher's map
        connectors=dict(
            align=dict(type='mmfreekd.FeatureAlignConnector', in_channels=256)),
        loss_forward_mappings=dict(
            loss_freekd=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, data_idx=3,
                    connector='align'),
                t_feature=dict(recorder='feature', from_student=False)))))
