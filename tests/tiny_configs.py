"""Whole configs of tiny models, with nine images that exist."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from tiny_models import encoder_decoder, retinanet

IMAGES = 9


def write_data(folder: Path) -> None:
    """A COCO-format folder of two classes, with label maps of three."""
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir(parents=True)
    (folder / 'labels').mkdir()
    images, annotations = [], []
    for i in range(IMAGES):
        image = rng.integers(0, 255, (64, 64, 3), np.uint8)
        cv2.imwrite(str(folder / f'images/{i}.png'), image)
        labels = rng.integers(0, 3, (64, 64), np.uint8)
        cv2.imwrite(str(folder / f'labels/{i}.png'), labels)
        images.append(dict(id=i, file_name=f'{i}.png', width=64, height=64))
        annotations.append(
            dict(
                id=i + 1,
                image_id=i,
                category_id=1 + i % 2,
                bbox=[4, 6, 32, 34],
                area=32 * 34,
                iscrowd=0,
                segmentation=[[4, 6, 36, 6, 36, 40, 4, 40]],
            )
        )
    categories = [dict(id=1, name='cat'), dict(id=2, name='dog')]
    (folder / 'ann.json').write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=categories)
        )
    )


def write_teacher(cfg: dict, path: Path, scope: str) -> None:
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope):
        torch.save(dict(state_dict=MODELS.build(cfg).state_dict()), path)


def distillation(folder, scope, student, teacher, source, **distiller):
    """The model of stage 2, with a teacher's checkpoint beside the data."""
    path = folder / f'{scope}.pth'
    if not path.exists():
        write_teacher(teacher, path, scope)
    return dict(
        type='mmfreekd.FreeKDDistill',
        architecture=student,
        teacher=teacher,
        teacher_ckpt=str(path),
        distiller=dict(
            type='mmfreekd.FreeKDDistiller',
            source=source,
            preset=dict(name='paper', num_prompts=0),
            **distiller,
        ),
    )


def loaders(dataset, batch_size=4):
    common = dict(num_workers=0)
    return dict(
        train_dataloader=dict(
            batch_size=batch_size,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dataset,
            **common,
        ),
        val_dataloader=dict(
            batch_size=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(dataset, test_mode=True),
            **common,
        ),
        val_cfg=dict(type='ValLoop'),
    )


def det_config(folder: Path) -> Config:
    """RetinaNet to RetinaNet by epochs, with what COCO configs have."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackDetInputs', meta_keys=META),
    ]
    dataset = dict(
        type='CocoDataset',
        data_root=str(folder),
        ann_file='ann.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=('cat', 'dog')),
        pipeline=pipeline,
    )
    return Config(
        dict(
            default_scope='mmdet',
            work_dir=str(folder / 'work_dir'),
            model=distillation(
                folder, 'mmdet', retinanet(2), retinanet(4), 'neck'
            ),
            **loaders(dataset),
            val_evaluator=dict(
                type='CocoMetric', ann_file=str(folder / 'ann.json')
            ),
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=12),
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
                clip_grad=dict(max_norm=35),
            ),
            param_scheduler=[
                dict(
                    type='LinearLR',
                    start_factor=0.01,
                    by_epoch=False,
                    begin=0,
                    end=5,
                ),
                dict(
                    type='MultiStepLR',
                    milestones=[8, 11],
                    begin=0,
                    end=12,
                    by_epoch=True,
                ),
            ],
            default_hooks=dict(
                timer=dict(type='IterTimerHook'),
                logger=dict(type='LoggerHook', interval=50),
                param_scheduler=dict(type='ParamSchedulerHook'),
                checkpoint=dict(type='CheckpointHook', interval=1),
                visualization=dict(type='DetVisualizationHook'),
            ),
            custom_hooks=[dict(type='NumClassCheckHook')],
            visualizer=dict(
                type='DetLocalVisualizer',
                vis_backends=[dict(type='LocalVisBackend')],
                name='visualizer',
            ),
            log_processor=dict(type='LogProcessor', window_size=50),
            env_cfg=dict(
                cudnn_benchmark=False,
                mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
                dist_cfg=dict(backend='nccl'),
            ),
            launcher='none',
        )
    )


META = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')


def seg_config(folder: Path) -> Config:
    """FCN to FCN by iterations, with what Cityscapes configs have."""
    cfg = det_config(folder)
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomCrop', crop_size=(64, 64)),
        dict(type='PackSegInputs'),
    ]
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images/', seg_map_path='labels/'),
        img_suffix='.png',
        metainfo=dict(classes=('road', 'car', 'sky'), palette=[[0] * 3] * 3),
        pipeline=pipeline,
    )
    cfg.merge_from_dict(
        dict(
            default_scope='mmseg',
            val_evaluator=dict(
                _delete_=True, type='IoUMetric', iou_metrics=['mIoU']
            ),
            train_cfg=dict(
                _delete_=True,
                type='IterBasedTrainLoop',
                max_iters=200,
                val_interval=50,
            ),
            default_hooks=dict(
                logger=dict(log_metric_by_epoch=False),
                checkpoint=dict(by_epoch=False, interval=50),
                visualization=dict(type='SegVisualizationHook'),
            ),
            visualizer=dict(type='SegLocalVisualizer'),
            log_processor=dict(by_epoch=False),
        )
    )
    cfg.custom_hooks = []
    cfg.param_scheduler = [
        dict(type='PolyLR', power=0.9, begin=0, end=200, by_epoch=False)
    ]
    cfg.model = distillation(
        folder,
        'mmseg',
        encoder_decoder(2),
        encoder_decoder(4),
        'backbone.layer4',
    )
    for name, value in loaders(dataset).items():
        cfg[name] = value
    cfg.train_dataloader.sampler.type = 'InfiniteSampler'
    return cfg
