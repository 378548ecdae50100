# stage 2, FreeKD as in the paper; benchmarks/methods.py has the other methods
_base_ = './student.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/teacher.py'),
    teacher_ckpt='work_dirs/evidence/det-retinanet/teacher/iter_2000.pth',
    inherit=['neck', 'bbox_head'],
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            feature=dict(type='mmrazor.ModuleOutputs', source='neck')
        ),
        teacher_recorders=dict(
            feature=dict(type='mmrazor.ModuleOutputs', source='neck')
        ),
        distill_losses=dict(
            loss_kd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=64,
                num_levels=3,
                preset='paper',
                loss_weight=1.0,
            )
        ),
        loss_forward_mappings=dict(
            loss_kd=dict(
                s_feature=dict(recorder='feature', from_student=True),
                t_feature=dict(recorder='feature', from_student=False),
            )
        ),
    ),
)
stage_1 = dict(max_iters=200)
# one wavelet level is enough for maps of 3 to 12 pixels
recommended = dict(levels=1)
# beside it the paper's loss of the boxes
boxes = dict(type='mmrazor.ModuleOutputs', source='bbox_head.retina_reg')
aids = dict(
    distiller=dict(
        student_recorders=dict(boxes=boxes),
        teacher_recorders=dict(boxes=boxes),
        distill_losses=dict(
            loss_boxes=dict(
                type='mmfreekd.PyramidLoss',
                loss=dict(type='mmdet.SmoothL1Loss'),
                num_levels=3,
                loss_weight=10.0,
            )
        ),
        loss_forward_mappings=dict(
            loss_boxes=dict(
                s_feature=dict(
                    recorder='boxes', from_student=True, record_idx=[0, 1, 2]
                ),
                t_feature=dict(
                    recorder='boxes', from_student=False, record_idx=[0, 1, 2]
                ),
            )
        ),
    )
)
mse_weight = 6.1  # chosen for MSE alone
