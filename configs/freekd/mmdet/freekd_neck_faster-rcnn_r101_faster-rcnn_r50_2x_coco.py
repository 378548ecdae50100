# stage 2: Faster R-CNN R101 (39.8 AP) -> Faster R-CNN R50 (38.4 AP)
# The official recipe: beside the frequency loss a squared error of the features
# and a loss of the boxes. Each goes with one option after --cfg-options:
#   model.distiller.distill_losses.loss_spatial.loss_weight=0.0
#   model.distiller.distill_losses.loss_regression.loss_weight=0.0
# student_rois: the teacher regresses the student's regions of interest.
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_2x_coco.py'
teacher_ckpt = 'https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r101_fpn_2x_coco/faster_rcnn_r101_fpn_2x_coco_bbox_mAP-0.398_20200504_210455-1d2dac9c.pth'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='mmdet::faster_rcnn/faster-rcnn_r101_fpn_2x_coco.py'),
    teacher_ckpt=teacher_ckpt,
    student_rois=True,
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            neck=dict(type='mmrazor.ModuleOutputs', source='neck'),
            regression=dict(
                type='mmrazor.ModuleOutputs',
                source='roi_head.bbox_head.fc_reg')),
        teacher_recorders=dict(
            neck=dict(type='mmrazor.ModuleOutputs', source='neck'),
            regression=dict(
                type='mmrazor.ModuleOutputs',
                source='roi_head.bbox_head.fc_reg')),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=256,
                out_channels=256,
                num_levels=5)),
        distill_losses=dict(
            loss_freekd=dict(
                type='mmfreekd.FreeKDLoss',
                preset='official',
                channels=256,
                num_levels=5,
                prompt_ckpt='work_dirs/prompt_faster-rcnn_r101_coco/'
                'prompts.pth',
                loss_weight=0.8),
            loss_spatial=dict(  # mean squared error
                type='mmfreekd.PyramidLoss',
                loss=dict(
                    type='mmrazor.L2Loss', normalize=False, div_element=True),
                num_levels=5,
                loss_weight=1.0),
            loss_regression=dict(
                type='mmfreekd.PyramidLoss',
                loss=dict(type='mmdet.SmoothL1Loss'),
                loss_weight=1.0)),
        loss_forward_mappings=dict(
            loss_freekd=dict(
                s_feature=dict(
                    recorder='neck', from_student=True, connector='align'),
                t_feature=dict(recorder='neck', from_student=False)),
            loss_spatial=dict(
                s_feature=dict(
                    recorder='neck', from_student=True, connector='align'),
                t_feature=dict(recorder='neck', from_student=False)),
            loss_regression=dict(
                s_feature=dict(recorder='regression', from_student=True),
                t_feature=dict(recorder='regression', from_student=False)))))
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')
]
