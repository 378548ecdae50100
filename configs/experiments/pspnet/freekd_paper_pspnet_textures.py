# stage 2: FreeKD as in the paper
_base_ = './pspnet_r18w16_textures.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/pspnet_r18w32_textures.py'),
    teacher_ckpt='work_dirs/pspnet_r18w32_textures/iter_1500.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            feature=dict(
                type='mmrazor.ModuleOutputs', source='backbone.layer4')),
        teacher_recorders=dict(
            feature=dict(
                type='mmrazor.ModuleOutputs', source='backbone.layer4')),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=128,
                out_channels=256)),
        distill_losses=dict(
            loss_kd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=256,
                preset='paper',
                prompt_ckpt='work_dirs/prompt_pspnet_textures/prompts.pth',
                loss_weight=1.0)),
        loss_forward_mappings=dict(
            loss_kd=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, connector='align'),
                t_feature=dict(recorder='feature', from_student=False)))))
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')
]
