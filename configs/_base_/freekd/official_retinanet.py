# The official recipe of RetinaNet: also a loss of the boxes, loss_regression.
# The head regresses one pyramid level after the other: five records.
_base_ = './official.py'
official = dict(
    student_recorders=dict(
        regression=dict(
            type='mmrazor.ModuleOutputs', source='bbox_head.retina_reg')),
    teacher_recorders=dict(
        regression=dict(
            type='mmrazor.ModuleOutputs', source='bbox_head.retina_reg')),
    distill_losses=dict(
        loss_regression=dict(
            type='mmfreekd.PyramidLoss',
            loss=dict(type='mmdet.SmoothL1Loss'),
            num_levels=5,
            loss_weight=1.0)),
    loss_forward_mappings=dict(
        loss_regression=dict(
            s_feature=dict(
                recorder='regression',
                from_student=True,
                record_idx=[0, 1, 2, 3, 4]),
            t_feature=dict(
                recorder='regression',
                from_student=False,
                record_idx=[0, 1, 2, 3, 4]))))
