# RetinaNet R101 (38.9 AP) -> RetinaNet R50 (37.4 AP)
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_2x_coco.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='mmdet::retinanet/retinanet_r101_fpn_2x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_2x_coco/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='neck', preset='paper',
        connectors=dict(align=dict(type='mmfreekd.FeatureAlignConnector'))))
optim_wrapper = dict(
    optimizer=dict(lr=0.02), clip_grad=dict(max_norm=35, norm_type=2))
# a longer warm-up
param_scheduler = [
    dict(_base_.param_scheduler[0], end=1000), _base_.param_scheduler[1]
]
