# stage 2 of the segmentation demo: the student is distilled
_base_ = './pspnet_r18w8_shapes.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/pspnet_r18w32_shapes.py'),
    teacher_ckpt='work_dirs/demo/pspnet/teacher/iter_1000.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            stage4=dict(type='mmrazor.ModuleOutputs', source='backbone.layer4')),
        teacher_recorders=dict(
            stage4=dict(type='mmrazor.ModuleOutputs', source='backbone.layer4')),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=64,
                out_channels=256)),
        distill_losses=dict(
            loss_freekd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=256,
                position_gate=None,
                prompt_ckpt='work_dirs/demo/pspnet/prompt/prompts.pth',
                loss_weight=1.0)),
        loss_forward_mappings=dict(
            loss_freekd=dict(
                s_feature=dict(
                    recorder='stage4', from_student=True, connector='align'),
                t_feature=dict(recorder='stage4', from_student=False)))))
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook'),
    dict(type='mmfreekd.FrequencyLogHook')
]
