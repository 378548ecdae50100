# two-stage Deformable DETR R50 (47.0 AP) -> one-stage, without box refinement (44.3 AP)
_base_ = 'mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::deformable_detr/'
        'deformable-detr-refine-twostage_r50_16xb2-50e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco/deformable-detr-refine-twostage_r50_16xb2-50e_coco_20221021_184714-acc8a5ff.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='neck', preset='paper',
        connectors=dict(align=dict(type='mmfreekd.FeatureAlignConnector'))))
# the neck ends in a normalisation: see docs/stages.md, learning rate
stage_1 = dict(lr=1e-3)
