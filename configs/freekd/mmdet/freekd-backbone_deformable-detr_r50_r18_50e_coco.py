# Deformable DETR R50 (44.3 AP) -> R18, on the three stages of the
# backbones that their necks take
_base_ = 'mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py'
_base_.model.backbone.depth = 18
_base_.model.backbone.init_cfg.checkpoint = 'torchvision://resnet18'
_base_.model.neck.in_channels = [128, 256, 512]
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::deformable_detr/'
        'deformable-detr_r50_16xb2-50e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/deformable_detr/deformable-detr_r50_16xb2-50e_coco/deformable-detr_r50_16xb2-50e_coco_20221029_210934-6bc7d21b.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='backbone', preset='paper'))
