# DINO Swin-L, 5 scales (57.2 AP) -> DINO R50, 4 scales (49.0 AP)
# The teacher's first scale, stride 4, has no counterpart in the student.
_base_ = 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='mmdet::dino/dino-5scale_swin-l_8xb2-12e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/dino/dino-5scale_swin-l_8xb2-12e_coco/dino-5scale_swin-l_8xb2-12e_coco_20230228_072924-a654145f.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='neck', preset='paper',
        connectors=dict(align=dict(type='mmfreekd.FeatureAlignConnector'))))
optim_wrapper = dict(type='AmpOptimWrapper')
# the neck ends in a normalisation: see docs/stages.md, learning rate
stage_1 = dict(lr=1e-3, model=dict(data_idx=[1, 2, 3, 4]))
