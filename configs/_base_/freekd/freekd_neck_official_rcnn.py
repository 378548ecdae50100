# the official recipe of Faster R-CNN: also a loss of the boxes. Needs
# student_rois=True: the teacher regresses the student's regions of interest.
_base_ = './freekd_neck_official.py'
distiller = dict(
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
