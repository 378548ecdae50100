"""The dry run finds single faults in every part of a config."""

import gc
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_configs import det_config, seg_config, write_data, write_teacher

from mmfreekd.doctor.dry_run import dry_run


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Small data; what lives by now is left alone by mmengine's gc calls."""
    path = tmp_path_factory.mktemp('dry_run') / 'data'
    write_data(path)
    (path / 'empty').mkdir()
    os.symlink(path / 'images', path / 'train')
    gc.freeze()
    yield path
    gc.unfreeze()


TRAIN = 'train_dataloader'
DATA = f'{TRAIN}.dataset'
HOOKS = 'default_hooks'

# (task, the change of the config, words of the one problem)
FAULTS = dict(
    # optimiser
    optimizer_type=('det', {'optim_wrapper.optimizer.type': 'SDG'}, 'SGD'),
    optimizer_argument=(
        'det',
        {'optim_wrapper.optimizer.momentun': 0.9},
        "'momentun'. Did you mean momentum",
    ),
    optimizer_value=(
        'det',
        {'optim_wrapper.optimizer.lr': -1.0},
        'optim_wrapper.*SGD.*-1.0',
    ),
    wrapper_type=(
        'seg',
        {'optim_wrapper.type': 'OptimWraper'},
        'Did you mean mmengine.OptimWrapper',
    ),
    clip_grad=(
        'seg',
        {'optim_wrapper.clip_grad.max_nrom': 1},
        "optim_wrapper.*'max_nrom'|max_nrom",
    ),
    paramwise=(
        'det',
        {'optim_wrapper.paramwise_cfg': dict(custom_keys=3)},
        'optim_wrapper.*custom_keys',
    ),
    constructor=(
        'det',
        {'optim_wrapper.constructor': 'LayerDecay'},
        "optim_wrapper.*'LayerDecay'",
    ),
    no_optimizer=('det', {'optim_wrapper': None}, 'optim_wrapper: is missing'),
    # schedulers
    scheduler_type=(
        'det',
        {'param_scheduler.1.type': 'MultiStepLr'},
        'param_scheduler.1.*Did you mean mmengine.MultiStepLR',
    ),
    scheduler_argument=(
        'det',
        {'param_scheduler.1.gama': 0.1},
        "param_scheduler.1.*'gama'. Did you mean gamma",
    ),
    scheduler_range=('seg', {'param_scheduler.0.begin': 300}, 'scheduler.0'),
    scheduler_unit=(
        'seg',
        {'param_scheduler.0.by_epoch': True},
        'param_scheduler.0: PolyLR counts epochs',
    ),
    # hooks
    hook_type=(
        'det',
        {'custom_hooks': [dict(type='EMAHok')]},
        'custom_hooks.0.*mmengine.EMAHook',
    ),
    hook_argument=(
        'seg',
        {f'{HOOKS}.checkpoint.intervall': 1},
        "default_hooks.checkpoint.*'intervall'",
    ),
    hook_value=(
        'seg',
        {f'{HOOKS}.logger.interval': 0},
        'default_hooks.logger.*interval|default_hooks.logger.*Zero',
    ),
    hook_priority=(
        'det',
        {'custom_hooks.0.priority': 'HIHG'},
        'custom_hooks.0.*HIHG',
    ),
    save_best=(
        'seg',
        {f'{HOOKS}.checkpoint.save_best': 'mIuO'},
        'default_hooks.checkpoint.*mIuO',
    ),
    early_stopping=(
        'seg',
        {
            'custom_hooks': [
                dict(type='EarlyStoppingHook', monitor='aAc', strict=True)
            ]
        },
        'custom_hooks.0.*aAc',
    ),
    mode_switch=(
        'det',
        {'custom_hooks': [dict(type='YOLOXModeSwitchHook')]},
        'custom_hooks.0.*YOLOXModeSwitchHook',
    ),
    pipeline_switch=(
        'det',
        {
            'custom_hooks': [
                dict(
                    type='PipelineSwitchHook',
                    switch_epoch=9,
                    switch_pipeline=[dict(type='LoadImageFromFle')],
                )
            ]
        },
        'custom_hooks.0.*LoadImageFromFile',
    ),
    # evaluators
    metric_type=(
        'det',
        {'val_evaluator.type': 'CoccoMetric'},
        'val_evaluator.*mmdet.CocoMetric',
    ),
    metric_name=(
        'seg',
        {'val_evaluator.iou_metrics': ['mIuO']},
        'val_evaluator.0.*mIuO',
    ),
    coco_metric_name=(
        'det',
        {'val_evaluator.metric': 'bbbox'},
        'val_evaluator.*bbbox',
    ),
    metric_file=(
        'det',
        {'val_evaluator.ann_file': 'nowhere.json'},
        "val_evaluator.*'nowhere.json'",
    ),
    no_evaluator=('det', {'val_evaluator': None}, 'val_evaluator: is missing'),
    # data sets
    dataset_type=(
        'det',
        {f'{DATA}.type': 'CocoDatset'},
        'train_dataloader.dataset.*mmdet.CocoDataset',
    ),
    dataset_argument=(
        'seg',
        {f'{DATA}.img_sufix': '.jpg'},
        "train_dataloader.dataset.*'img_sufix'. Did you mean img_suffix",
    ),
    dataset_file=(
        'det',
        {f'{DATA}.ann_file': 'train.json'},
        'train_dataloader.dataset.ann_file.*does not exist',
    ),
    dataset_folder=(
        'seg',
        {f'{DATA}.data_prefix.img_path': 'empty'},
        'train_dataloader.dataset.data_prefix.img_path.*is empty',
    ),
    dataset_suffix=(
        'seg',
        {f'{DATA}.img_suffix': '.jpg'},
        'train_dataloader.*',
    ),
    categories=(
        'det',
        {f'{DATA}.metainfo.classes': ('Cat', 'Dog')},
        'train_dataloader.dataset.*names of the categories',
    ),
    # transforms
    transform_type=(
        'det',
        {f'{DATA}.pipeline.2.type': 'Resise'},
        r'train_dataloader.dataset.pipeline.2.*\.Resize',
    ),
    transform_argument=(
        'det',
        {f'{DATA}.pipeline.2.scal': 3},
        r"train_dataloader.dataset.pipeline.2.*'scal'. Did you mean scale",
    ),
    transform_value=(
        'det',
        {f'{DATA}.pipeline.3.prob': 7.0},
        'train_dataloader.dataset.pipeline.3.*RandomFlip',
    ),
    no_boxes=(
        'det',
        {f'{DATA}.pipeline.1.with_bbox': False},
        'bboxes.*train_dataloader.dataset.pipeline',
    ),
    no_packing=(
        'seg',
        {f'{DATA}.pipeline.3': dict(type='LoadAnnotations')},
        'train',
    ),
    val_transform=(
        'seg',
        {'val_dataloader.dataset.pipeline.2.crop_size': (0, 0)},
        'val_dataloader.dataset.pipeline.2',
    ),
    # samplers and loaders
    sampler_type=(
        'det',
        {f'{TRAIN}.sampler.type': 'InfinitSampler'},
        'train_dataloader.sampler.*mmengine.InfiniteSampler',
    ),
    sampler_argument=(
        'seg',
        {f'{TRAIN}.sampler.shufle': True},
        "train_dataloader.sampler.*'shufle'. Did you mean shuffle",
    ),
    batch_sampler=(
        'det',
        {f'{TRAIN}.batch_sampler': dict(type='AspectRatioBatchSample')},
        'train_dataloader.batch_sampler.*AspectRatioBatchSampler',
    ),
    batch_size=('seg', {f'{TRAIN}.batch_size': 0}, 'train_dataloader.*batch'),
    workers=(
        'seg',
        {f'{TRAIN}.persistent_workers': True},
        'train_dataloader.*persistent_workers',
    ),
    collate=(
        'seg',
        {f'{TRAIN}.collate_fn': dict(type='pseudo_colate')},
        'train_dataloader.*',
    ),
    # loops
    loop_type=(
        'det',
        {'train_cfg.type': 'EpochBasedTrainLop'},
        'train_cfg.*mmengine.EpochBasedTrainLoop',
    ),
    loop_argument=(
        'det',
        {'train_cfg.max_iters': 9},
        "train_cfg.*'max_iters'",
    ),
    val_loop=(
        'det',
        {'val_cfg.type': 'ValLop'},
        'val_cfg.*mmengine.ValLoop',
    ),
    # visualiser, logger, environment
    visualizer=(
        'det',
        {'visualizer.type': 'DetLocalVisualiser'},
        'visualizer.*mmdet.DetLocalVisualizer',
    ),
    backend=(
        'det',
        {'visualizer.vis_backends.0.type': 'LocalVisBackent'},
        'visualizer.vis_backends.0.*mmengine.LocalVisBackend',
    ),
    log_processor=(
        'det',
        {'log_processor.windowsize': 5},
        "log_processor.*'windowsize'. Did you mean window_size",
    ),
    custom_log=(
        'det',
        {
            'log_processor.custom_cfg': [
                dict(data_src='loss', method_name='meen')
            ]
        },
        'default_hooks.logger.*|log_processor',
    ),
    log_level=('det', {'log_level': 'INOF'}, 'log_level.*INOF'),
    start_method=(
        'det',
        {'env_cfg.mp_cfg.mp_start_method': 'frok'},
        'env_cfg.*frok',
    ),
    randomness=('det', {'randomness': dict(sed=0)}, "randomness.*'sed'"),
    launcher=('det', {'launcher': 'pytroch'}, 'launcher.*mean pytorch'),
    wrapper_of_model=(
        'det',
        {'model_wrapper_cfg': dict(type='DDDP')},
        "model_wrapper_cfg.*'DDDP'",
    ),
    # models, classes, sizes
    backbone_argument=(
        'det',
        {'model.architecture.backbone.dept': 18},
        "model.architecture.*'dept'. Did you mean depth",
    ),
    teacher_type=(
        'det',
        {'model.teacher.neck.type': 'mmdet.FPNN'},
        r'model.teacher.*mmdet\.FPN',
    ),
    head_classes=(
        'det',
        {
            'model.architecture.bbox_head.num_classes': 1,
            'custom_hooks': [],
        },
        'the head of the student has num_classes=1',
    ),
    head_classes_seg=(
        'seg',
        {'model.architecture.decode_head.num_classes': 2},
        'the head of the student has num_classes=2',
    ),
    head_channels=(
        'seg',
        {'model.architecture.decode_head.in_channels': 8},
        'model.architecture.decode_head',
    ),
    image_channels=(
        'seg',
        {'model.architecture.backbone.in_channels': 4},
        'backbone.layer4.*4 channels',
    ),
    preprocessor=(
        'seg',
        {'model.architecture.data_preprocessor.size': None},
        'data_preprocessor',
    ),
    layer=(
        'det',
        {'model.distiller.source': 'nekc'},
        "model.distiller.source.*no layer 'nekc'",
    ),
    preset=('det', {'model.distiller.preset': 'papper'}, "'papper'"),
    # checkpoints
    no_teacher=(
        'det',
        {'model.teacher_ckpt': 'nowhere.pth'},
        "model.teacher_ckpt.*no file 'nowhere.pth'",
    ),
    other_teacher=(
        'det',
        {'model.teacher_ckpt': '{folder}/mmseg.pth'},
        'model.teacher_ckpt.*missing in the file',
    ),
    random_teacher=('seg', {'model.teacher_ckpt': None}, 'teacher_ckpt'),
    load_from=(
        'det',
        {'load_from': '{folder}/mmseg.pth'},
        'load_from.*checkpoint holds nothing|load_from.*none of',
    ),
    load_from_nowhere=('det', {'load_from': 'nowhere.pth'}, 'load_from'),
    prompts=(
        'det',
        {
            'model.distiller.preset': 'paper',
            'model.distiller.prompt_ckpt': '{folder}/mmseg.pth',
        },
        'prompt_ckpt|frequency prompts',
    ),
    no_checkpoint=(
        'seg',
        {'load_from': '{folder}/ann.json'},
        'load_from.*cannot be read',
    ),
    val_interval=('seg', {'train_cfg.val_interval': 0}, 'val_interval'),
    no_masks_predicted=(
        'det',
        {'val_evaluator.metric': ['bbox', 'segm']},
        'val_evaluator.*segm',
    ),
    distributed_backend=(
        'seg',
        {'env_cfg.dist_cfg.backend': 'ncll'},
        "env_cfg.dist_cfg.backend.*'ncll'",
    ),
    tracker=(
        'seg',
        {'visualizer.vis_backends': [dict(type='WandbVisBackend')]},
        'visualizer.vis_backends.0.*wandb',
    ),
    stage_1_key=(
        'seg',
        {'stage_1': dict(max_iter=3)},
        'stage_1.max_iter.*Did you mean max_iters',
    ),
    stage_1=(
        'seg',
        {
            'model.distiller.preset': 'paper',
            'stage_1': dict(optim_wrapper=dict(type='OptimWraper')),
        },
        'stage 1: .*mmengine.OptimWrapper',
    ),
)


def changed(folder, task: str, change: dict):
    cfg = dict(det=det_config, seg=seg_config)[task](folder)
    for key, value in change.items():
        if isinstance(value, str):
            value = value.format(folder=folder)
        *path, last = key.split('.')
        part = cfg
        for name in path:
            part = part[int(name) if name.isdigit() else name]
        part[int(last) if last.isdigit() else last] = value
    return cfg


@pytest.fixture(scope='module')
def teachers(folder):
    """Both teachers' checkpoints, whichever test runs first."""
    det_config(folder), seg_config(folder)


@pytest.mark.parametrize('name', FAULTS)
def test_a_fault_is_found(folder, teachers, name):
    task, change, words = FAULTS[name]
    report = dry_run(changed(folder, task, change))
    text = '\n'.join(report.problems)
    assert re.search(words, text, re.DOTALL), text or 'nothing'
    assert len(report.problems) <= 3, text


def wrapped(kind, **arguments):
    """A change that wraps the data set of training."""

    def change(cfg):
        dataset = cfg[TRAIN].dataset
        if kind == 'ConcatDataset':
            arguments['datasets'] = [dataset, dataset]
        else:
            arguments['dataset'] = dataset
        cfg[TRAIN].dataset = dict(type=kind, **arguments)

    return change


def yolox(cfg):
    """Mosaic in a wrapper, closed for the last epochs."""
    cfg[TRAIN].dataset.pipeline = cfg[TRAIN].dataset.pipeline[:2]
    packing = dict(type='PackDetInputs')
    cfg[TRAIN].dataset = dict(
        type='MultiImageMixDataset',
        dataset=cfg[TRAIN].dataset,
        pipeline=[
            dict(type='Mosaic', img_scale=(64, 64)),
            dict(type='Resize', scale=(64, 64), keep_ratio=False),
            packing,
        ],
    )
    head = dict(
        type='mmdet.YOLOXHead',
        num_classes=2,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
    )
    cfg.model.architecture = dict(
        cfg.model.architecture,
        bbox_head=head,
        train_cfg=dict(assigner=dict(type='mmdet.SimOTAAssigner')),
        test_cfg=dict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5)),
    )
    cfg.custom_hooks = [
        dict(
            type='YOLOXModeSwitchHook',
            num_last_epochs=3,
            skip_type_keys=('Mosaic',),
        ),
        dict(type='EMAHook', ema_type='ExpMomentumEMA'),
    ]


def by_iterations(cfg):
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=50)
    cfg.param_scheduler = [dict(type='ConstantLR', by_epoch=False)]
    cfg[TRAIN].sampler.type = 'InfiniteSampler'


def hooks(*custom_hooks):
    return lambda cfg: cfg.update(custom_hooks=list(custom_hooks))


def both_stages(cfg):
    cfg.model.distiller.preset = 'paper'


def student_alone(cfg):
    cfg.model = cfg.model.architecture


def one_channel(cfg):
    """Images of one channel, as a medical data set has them."""
    for part in (TRAIN, 'val_dataloader'):
        cfg[part].dataset.pipeline[0].color_type = 'grayscale'
    for model in (cfg.model.architecture, cfg.model.teacher):
        model.data_preprocessor.update(mean=[0.0], std=[1.0], bgr_to_rgb=False)
        model.backbone.in_channels = 1
    cfg.model.teacher_ckpt = cfg.model.teacher_ckpt.replace('.pth', '_1.pth')
    write_teacher(cfg.model.teacher, Path(cfg.model.teacher_ckpt), 'mmseg')


def no_drop_last(cfg):
    cfg[TRAIN].update(batch_size=8, drop_last=True)


def without_validation(cfg):
    cfg.update(val_cfg=None, val_dataloader=None, val_evaluator=None)


def layer_decay(cfg):
    cfg.optim_wrapper.paramwise_cfg = dict(
        custom_keys=dict(backbone=dict(lr_mult=0.1))
    )
    cfg.optim_wrapper.accumulative_counts = 4
    cfg.auto_scale_lr = dict(base_batch_size=16, enable=True)


SWITCH = dict(
    type='PipelineSwitchHook',
    switch_epoch=9,
    switch_pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackDetInputs'),
    ],
)
GOOD = dict(
    det=('det', lambda cfg: None),
    seg=('seg', lambda cfg: None),
    both_stages_det=('det', both_stages),
    both_stages_seg=('seg', both_stages),
    student_alone=('det', student_alone),
    by_iterations=('det', by_iterations),
    yolox=('det', yolox),
    ema=('seg', hooks(dict(type='EMAHook'))),
    pipeline_switch=('det', hooks(SWITCH)),
    stop_distill=(
        'det',
        hooks(dict(type='mmfreekd.StopDistillHook', stop_epoch=10)),
    ),
    early_stopping=(
        'seg',
        hooks(dict(type='EarlyStoppingHook', monitor='mIoU')),
    ),
    repeated=('det', wrapped('RepeatDataset', times=3)),
    concatenated=('seg', wrapped('ConcatDataset')),
    balanced=('det', wrapped('ClassBalancedDataset', oversample_thr=0.1)),
    aspect_ratios=(
        'det',
        lambda cfg: cfg[TRAIN].update(
            batch_sampler=dict(type='AspectRatioBatchSampler')
        ),
    ),
    workers=(
        'seg',
        lambda cfg: cfg[TRAIN].update(num_workers=2, persistent_workers=True),
    ),
    drop_last=('seg', no_drop_last),
    one_channel=('seg', one_channel),
    without_validation=('det', without_validation),
    optimiser=('seg', layer_decay),
    best=(
        'det',
        lambda cfg: cfg[HOOKS].checkpoint.update(save_best='auto'),
    ),
)


@pytest.mark.parametrize('name', GOOD)
def test_no_false_alarm(folder, teachers, name):
    task, change = GOOD[name]
    cfg = changed(folder, task, {})
    change(cfg)
    before = cfg.pretty_text
    report = dry_run(cfg)
    assert not report.problems
    assert not report.remarks
    assert cfg.pretty_text == before


def test_nothing_of_the_user_is_touched(folder, teachers, monkeypatch):
    monkeypatch.chdir(folder)
    cfg = changed(folder, 'seg', {})
    both_stages(cfg)
    files = sorted(folder.rglob('*'))
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert not dry_run(cfg).problems
    assert sorted(folder.rglob('*')) == files
    assert torch.get_rng_state().equal(states[0])
    assert (np.random.get_state()[1] == states[1]).all()


def test_faults_of_many_parts_are_listed_at_once(folder, teachers):
    names = [
        'optimizer_type',
        'scheduler_argument',
        'hook_priority',
        'transform_type',
        'transform_value',
        'sampler_type',
        'metric_type',
        'val_loop',
        'log_processor',
        'backend',
        'backbone_argument',
        'teacher_type',
        'launcher',
    ]
    change = {}
    for name in names:
        assert FAULTS[name][0] == 'det'
        change.update(FAULTS[name][1])
    text = '\n'.join(dry_run(changed(folder, 'det', change)).problems)
    for name in names:
        assert re.search(FAULTS[name][2], text), name


def test_a_last_batch_of_one(folder, teachers):
    cfg = changed(folder, 'seg', {f'{TRAIN}.batch_size': 8})
    cfg[TRAIN].sampler.type = 'DefaultSampler'
    cfg[TRAIN].dataset.pipeline[2].crop_size = (32, 32)
    for model in (cfg.model.architecture, cfg.model.teacher):
        model.data_preprocessor.size = (32, 32)
    (problem,) = dry_run(cfg).problems
    assert "an epoch's last batch of 1 image" in problem
    assert 'drop_last=True' in problem


def test_invented_data_stand_in_for_missing_ones(folder, teachers):
    report = dry_run(changed(folder, 'det', {f'{DATA}.data_root': 'nowhere'}))
    assert report.rows and len(report.problems) == 2
    assert 'invented images' in report.remarks[0]
