# stage 2: RetinaNet X101 (41.6 AP) -> RetinaNet R50 (37.4 AP)
# The official recipe: beside the frequency loss a squared error of the features
# and a loss of the boxes. Each goes with one option after --cfg-options:
#   model.distiller.distill_losses.loss_spatial.loss_weight=0.0
#   model.distiller.distill_losses.loss_regression.loss_weight=0.0
_base_ = [
    'mmdet::retinanet/retinanet_r50_fpn_2x_coco.py',
    '../../_base_/freekd/freekd_neck_official_retinanet.py',
    '../../_base_/freekd/freekd_hooks.py'
]
_base_.distiller.distill_losses.loss_freekd.prompt_ckpt = \
    'work_dirs/prompt_retinanet_x101_coco/prompts.pth'
_base_.distiller.distill_losses.loss_spatial.loss_weight = 5.0
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::retinanet/'
        'retinanet_x101-64x4d_fpn_ms-640-800-3x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_x101_64x4d_fpn_mstrain_3x_coco/retinanet_x101_64x4d_fpn_mstrain_3x_coco_20210719_051838-022c2187.pth',
    inherit=['neck', 'bbox_head'],
    distiller=_base_.distiller)
optim_wrapper = dict(
    optimizer=dict(lr=0.02), clip_grad=dict(max_norm=35, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0,
         end=1000),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=24,
         milestones=[16, 22], gamma=0.1)
]
