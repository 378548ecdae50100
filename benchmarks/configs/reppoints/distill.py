# stage 2, FreeKD as in the paper; benchmarks/methods.py has the other methods
_base_ = './student.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/teacher.py'),
    teacher_ckpt='work_dirs/evidence/det-reppoints/teacher/iter_3000.pth',
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
recommended = dict(levels=1, high_weight=1 / 3)
