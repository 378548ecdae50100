# The official recipe of Faster R-CNN: also a loss of the boxes, loss_regression.
# Needs student_rois=True: the teacher regresses the student's regions.
_base_ = './official.py'
official = dict(
    student_recorders=dict(
        regression=dict(
            type='mmrazor.ModuleOutputs',
            source='roi_head.bbox_head.fc_reg')),
    teacher_recorders=dict(
        regression=dict(
            type='mmrazor.ModuleOutputs',
            source='roi_head.bbox_head.fc_reg')),
    distill_losses=dict(
        loss_regression=dict(
            type='mmfreekd.PyramidLoss',
            loss=dict(type='mmdet.SmoothL1Loss'),
            loss_weight=1.0)),
    loss_forward_mappings=dict(
        loss_regression=dict(
            s_feature=dict(recorder='regression', from_student=True),
            t_feature=dict(recorder='regression', from_student=False))))
