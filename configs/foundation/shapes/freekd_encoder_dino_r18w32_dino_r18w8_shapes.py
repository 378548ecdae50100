# stage 2: the small DINO -> the smaller one, on the tokens of the encoders
_base_ = './dino_r18w8_shapes.py'
encoder = dict(type='mmfreekd.TokenMaps', source='encoder')
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/dino_r18w32_shapes.py'),
    teacher_ckpt='work_dirs/dino_r18w32_shapes/iter_150.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(feature=encoder),
        teacher_recorders=dict(feature=encoder),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=256,
                out_channels=256,
                num_levels=3)),
        distill_losses=dict(
            loss_freekd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=256,
                num_levels=3,
                position_gate=None,
                loss_weight=0.1,  # 1.0 weighs as much as the task
                prompt_ckpt='work_dirs/prompt_dino_r18w32_shapes/prompts.pth')),
        loss_forward_mappings=dict(
            loss_freekd=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, connector='align'),
                t_feature=dict(recorder='feature', from_student=False)))))
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')
]
