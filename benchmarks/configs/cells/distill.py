# stage 2, FreeKD as in the paper; benchmarks/methods.py has the others
_base_ = './student.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/teacher.py'),
    teacher_ckpt='work_dirs/real/det-cells/teacher/iter_1000.pth',
    inherit=['neck', 'bbox_head'],
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            feature=dict(type='mmrazor.ModuleOutputs', source='neck')
        ),
        teacher_recorders=dict(
            feature=dict(type='mmrazor.ModuleOutputs', source='neck')
        ),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=[64, 64, 64],
                out_channels=[64, 64, 64],
            )
        ),
        distill_losses=dict(
            loss_kd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=[64, 64, 64],
                prompt_ckpt='work_dirs/real/det-cells/prompt/prompts.pth',
            )
        ),
        loss_forward_mappings=dict(
            loss_kd=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, connector='align'
                ),
                t_feature=dict(recorder='feature', from_student=False),
            )
        ),
    ),
)
