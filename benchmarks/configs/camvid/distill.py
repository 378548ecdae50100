# stage 2, FreeKD as in the paper; benchmarks/methods.py has the others
_base_ = './student.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/teacher.py'),
    teacher_ckpt='work_dirs/real/seg-camvid/teacher/iter_1000.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            feature=dict(type='mmrazor.ModuleOutputs', source='backbone')
        ),
        teacher_recorders=dict(
            feature=dict(type='mmrazor.ModuleOutputs', source='backbone')
        ),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=[64],
                out_channels=[112],
            )
        ),
        distill_losses=dict(
            loss_kd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=[112],
                prompt_ckpt='work_dirs/real/seg-camvid/prompt/prompts.pth',
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
