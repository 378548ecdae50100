# Cascade Mask R-CNN X101 (45.6 AP) -> Faster R-CNN R50 (38.4 AP)
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_2x_coco.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::cascade_rcnn/'
        'cascade-mask-rcnn_x101-64x4d_fpn_20e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/cascade_rcnn/cascade_mask_rcnn_x101_64x4d_fpn_20e_coco/cascade_mask_rcnn_x101_64x4d_fpn_20e_coco_20200512_161033-bdb5126a.pth',
    inherit=['neck'],
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='neck', preset='paper',
        connectors=dict(align=dict(type='mmfreekd.FeatureAlignConnector'))))
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
