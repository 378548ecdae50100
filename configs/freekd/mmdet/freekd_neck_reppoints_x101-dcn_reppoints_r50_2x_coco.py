# stage 2: RepPoints X101-DCN (44.2 AP) -> RepPoints R50 (38.6 AP)
_base_ = 'mmdet::reppoints/reppoints-moment_r50_fpn-gn_head-gn_2x_coco.py'
teacher_ckpt = 'https://download.openmmlab.com/mmdetection/v2.0/reppoints/reppoints_moment_x101_fpn_dconv_c3-c5_gn-neck%2Bhead_2x_coco/reppoints_moment_x101_fpn_dconv_c3-c5_gn-neck%2Bhead_2x_coco_20200329-f87da1ea.pth'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(
        cfg_path='mmdet::reppoints/'
        'reppoints-moment_x101-dconv-c3-c5_fpn-gn_head-gn_2x_coco.py'),
    teacher_ckpt=teacher_ckpt,
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            neck=dict(type='mmrazor.ModuleOutputs', source='neck')),
        teacher_recorders=dict(
            neck=dict(type='mmrazor.ModuleOutputs', source='neck')),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=256,
                out_channels=256,
                num_levels=5)),
        distill_losses=dict(
            loss_freekd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=256,
                num_levels=5,
                prompt_ckpt='work_dirs/prompt_reppoints_x101-dcn_coco/'
                'prompts.pth')),
        loss_forward_mappings=dict(
            loss_freekd=dict(
                s_feature=dict(
                    recorder='neck', from_student=True, connector='align'),
                t_feature=dict(recorder='neck', from_student=False)))))
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')
]
