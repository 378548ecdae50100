# stage 2: PSPNet R101 (78.34 mIoU) -> PSPNet R18 (69.85 mIoU)
_base_ = 'mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'
teacher_ckpt = 'https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x1024_40k_cityscapes/pspnet_r101-d8_512x1024_40k_cityscapes_20200604_232751-467e7cf4.pth'
crop_size = (512, 512)
max_iters = 40000
data_preprocessor = dict(size=crop_size)
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(
        cfg_path='mmseg::pspnet/'
        'pspnet_r101-d8_4xb2-40k_cityscapes-512x1024.py'),
    teacher_ckpt=teacher_ckpt,
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(
            stage4=dict(
                type='mmrazor.ModuleOutputs', source='backbone.layer4')),
        teacher_recorders=dict(
            stage4=dict(
                type='mmrazor.ModuleOutputs', source='backbone.layer4')),
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=512,
                out_channels=2048)),
        distill_losses=dict(
            loss_freekd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=2048,
                prompt_ckpt='work_dirs/prompt_pspnet_r101_cityscapes/'
                'prompts.pth')),
        loss_forward_mappings=dict(
            loss_freekd=dict(
                s_feature=dict(
                    recorder='stage4', from_student=True, connector='align'),
                t_feature=dict(recorder='stage4', from_student=False)))))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.5, 2.0),
         keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='PolyLR', eta_min=1e-4, power=0.9, by_epoch=False, begin=0,
         end=max_iters)
]
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')
]
