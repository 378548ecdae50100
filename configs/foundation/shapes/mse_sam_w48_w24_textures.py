# the small encoder -> one of half its width and depth, by the mean squared
# error of the embedding alone, on images without labels
_base_ = './sam_w48_textures.py'
max_iters = 150
metric = 'embedding/mse'
images = dict(
    dataset=dict(
        _delete_=True,
        type='BaseSegDataset',
        data_root=_base_.data_root,
        data_prefix=dict(img_path='leftImg8bit/train'),
        img_suffix='.png',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]))
train_dataloader = images
val_dataloader = dict(
    dataset=dict(
        images['dataset'], data_prefix=dict(img_path='leftImg8bit/val')))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='mmfreekd.EmbeddingError')
test_evaluator = val_evaluator
splits = dict(
    _delete_=True,
    val=dict(),
    test=dict(
        val_dataloader=dict(
            dataset=dict(data_prefix=dict(img_path='leftImg8bit/test')))))
embedding = dict(type='mmrazor.ModuleOutputs', source='backbone')
model = dict(
    _delete_=True,
    type='mmfreekd.FeatureDistill',
    architecture=dict(
        type='mmfreekd.ImageEncoder',
        data_preprocessor=_base_.model.data_preprocessor,
        backbone=dict(
            type='mmfreekd.SamEncoder',
            image_size=64,
            arch=dict(
                hidden_size=24,
                num_attention_heads=2,
                num_hidden_layers=2,
                global_attn_indexes=[1],
                window_size=4,
                patch_size=4,
                output_channels=64))),
    teacher={{_base_.model}},
    teacher_ckpt='work_dirs/sam_w48_textures/iter_300.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=dict(embedding=embedding),
        teacher_recorders=dict(embedding=embedding),
        distill_losses=dict(
            loss_kd=dict(
                type='mmfreekd.PyramidLoss',
                loss=dict(
                    type='mmrazor.L2Loss', normalize=False,
                    div_element=True))),
        loss_forward_mappings=dict(
            loss_kd=dict(
                s_feature=dict(recorder='embedding', from_student=True),
                t_feature=dict(recorder='embedding', from_student=False)))))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=max_iters,
         eta_min=1e-5)
]
