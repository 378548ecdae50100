# stage 2: RetinaNet R101 (38.9 AP) -> RetinaNet R50 (37.4 AP)
# The official recipe: beside the frequency loss a squared error of the features
# and a loss of the boxes. Each goes with one option after --cfg-options:
#   model.distiller.distill_losses.loss_spatial.loss_weight=0.0
#   model.distiller.distill_losses.loss_regression.loss_weight=0.0
# The head regresses the boxes of one pyramid level after the other: five
# records.
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_2x_coco.py'
teacher_ckpt = 'https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_2x_coco/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='mmdet::retinanet/retinanet_r101_fpn_2x_coco.py'),
    teacher_ckpt=teacher_ckpt,
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            neck=dict(type='mmrazor.ModuleOutputs', source='neck'),
            regression=dict(
                type='mmrazor.ModuleOutputs', source='bbox_head.retina_reg')),
        teacher_recorders=dict(
            neck=dict(type='mmrazor.ModuleOutputs', source='neck'),
            regression=dict(
                type='mmrazor.ModuleOutputs', source='bbox_head.retina_reg')),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=256,
                out_channels=256,
                num_levels=5)),
        distill_losses=dict(
            loss_freekd=dict(
                type='mmfreekd.FreeKDLoss',
                preset='official',
                channels=256,
                num_levels=5,
                prompt_ckpt='work_dirs/prompt_retinanet_r101_coco/prompts.pth',
                loss_weight=1.0),
            loss_spatial=dict(  # mean squared error
                type='mmfreekd.PyramidLoss',
                loss=dict(
                    type='mmrazor.L2Loss', normalize=False, div_element=True),
                num_levels=5,
                loss_weight=5.0),
            loss_regression=dict(
                type='mmfreekd.PyramidLoss',
                loss=dict(type='mmdet.SmoothL1Loss'),
                num_levels=5,
                loss_weight=1.0)),
        loss_forward_mappings=dict(
            loss_freekd=dict(
                s_feature=dict(
                    recorder='neck', from_student=True, connector='align'),
                t_feature=dict(recorder='neck', from_student=False)),
            loss_spatial=dict(
                s_feature=dict(
                    recorder='neck', from_student=True, connector='align'),
                t_feature=dict(recorder='neck', from_student=False)),
            loss_regression=dict(
                s_feature=dict(
                    recorder='regression',
                    from_student=True,
                    record_idx=[0, 1, 2, 3, 4]),
                t_feature=dict(
                    recorder='regression',
                    from_student=False,
                    record_idx=[0, 1, 2, 3, 4])))))
optim_wrapper = dict(
    optimizer=dict(lr=0.02), clip_grad=dict(max_norm=35, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0,
         end=1000),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=24,
         milestones=[16, 22], gamma=0.1)
]
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')
]
