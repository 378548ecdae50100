# stage 2, FreeKD as in the paper; benchmarks/methods.py has the other methods
_base_ = './student.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/teacher.py'),
    teacher_ckpt='work_dirs/evidence/seg-pspnet/teacher/iter_1500.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            feature=dict(
                type='mmrazor.ModuleOutputs', source='backbone.layer4'
            )
        ),
        teacher_recorders=dict(
            feature=dict(
                type='mmrazor.ModuleOutputs', source='backbone.layer4'
            )
        ),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=128,
                out_channels=256,
            )
        ),
        distill_losses=dict(
            loss_kd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=256,
                preset='paper',
                loss_weight=1.0,
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
stage_1 = dict(max_iters=200)
# one wavelet level is enough for maps of 8 pixels
recommended = dict(levels=1)
aids = dict(distiller=dict(connectors=dict(align=dict(kernel_size=3))))
mse_weight = 73.6  # chosen for MSE alone
