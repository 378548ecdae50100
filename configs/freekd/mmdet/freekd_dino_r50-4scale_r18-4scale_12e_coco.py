# DINO R50 (49.0 AP) -> DINO R18, both of 4 scales
_base_ = 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'
_base_.model.backbone.depth = 18
_base_.model.backbone.init_cfg.checkpoint = 'torchvision://resnet18'
_base_.model.neck.in_channels = [128, 256, 512]
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/dino/dino-4scale_r50_8xb2-12e_coco/dino-4scale_r50_8xb2-12e_coco_20221202_182705-55b2bba2.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='neck', preset='paper',
        connectors=dict(align=dict(type='mmfreekd.FeatureAlignConnector'))))
optim_wrapper = dict(type='AmpOptimWrapper')
# the neck ends in a normalisation: see docs/stages.md, learning rate
stage_1 = dict(lr=1e-3)
