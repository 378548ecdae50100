# stage 2: FreeKD as in the paper
_base_ = './retinanet_r18w16_textures.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/retinanet_r18w32_textures.py'),
    teacher_ckpt='work_dirs/retinanet_r18w32_textures/iter_2000.pth',
    inherit=['neck', 'bbox_head'],
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            feature=dict(type='mmrazor.ModuleOutputs', source='neck')),
        teacher_recorders=dict(
            feature=dict(type='mmrazor.ModuleOutputs', source='neck')),
        distill_losses=dict(
            loss_kd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=64,
                num_levels=3,
                preset='paper',
                prompt_ckpt='work_dirs/prompt_retinanet_textures/prompts.pth',
                loss_weight=1.0)),
        loss_forward_mappings=dict(
            loss_kd=dict(
                s_feature=dict(recorder='feature', from_student=True),
                t_feature=dict(recorder='feature', from_student=False)))))
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')
]
