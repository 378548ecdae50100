# stage 2: Cascade Mask R-CNN X101 (45.6 AP) -> Faster R-CNN R50 (38.4 AP)
# As in the paper: the frequency loss alone, with its preset
_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_2x_coco.py',
    '../../_base_/freekd/freekd_neck.py',
    '../../_base_/freekd/freekd_hooks.py'
]
_base_.distiller.distill_losses.loss_freekd.prompt_ckpt = \
    'work_dirs/prompt-paper_cascade-mask-rcnn_x101_coco/prompts.pth'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::cascade_rcnn/'
        'cascade-mask-rcnn_x101-64x4d_fpn_20e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/cascade_rcnn/cascade_mask_rcnn_x101_64x4d_fpn_20e_coco/cascade_mask_rcnn_x101_64x4d_fpn_20e_coco_20200512_161033-bdb5126a.pth',
    inherit=['neck'],
    distiller=_base_.distiller)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
