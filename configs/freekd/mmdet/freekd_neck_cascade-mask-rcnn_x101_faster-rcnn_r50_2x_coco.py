# stage 2: Cascade Mask R-CNN X101 (45.6 AP) -> Faster R-CNN R50 (38.4 AP)
# The official recipe: beside the frequency loss a squared error of the features
# and a loss of the boxes. Each goes with one option after --cfg-options:
#   model.distiller.distill_losses.loss_spatial.loss_weight=0.0
#   model.distiller.distill_losses.loss_regression.loss_weight=0.0
_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_2x_coco.py',
    '../../_base_/freekd/freekd_neck_official_rcnn.py',
    '../../_base_/freekd/freekd_hooks.py'
]
_base_.distiller.distill_losses.loss_freekd.prompt_ckpt = \
    'work_dirs/prompt_cascade-mask-rcnn_x101_coco/prompts.pth'
_base_.distiller.teacher_recorders.regression.source = \
    'roi_head.bbox_head.0.fc_reg'
# as the first stage of the cascade, it regresses one box for all classes
_base_.model.roi_head.bbox_head.reg_class_agnostic = True
_base_.distiller.distill_losses.loss_spatial.loss_weight = 2.0
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::cascade_rcnn/'
        'cascade-mask-rcnn_x101-64x4d_fpn_20e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/cascade_rcnn/cascade_mask_rcnn_x101_64x4d_fpn_20e_coco/cascade_mask_rcnn_x101_64x4d_fpn_20e_coco_20200512_161033-bdb5126a.pth',
    student_rois=True,
    inherit=['neck'],
    distiller=_base_.distiller)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
