"""Detectors and segmenters so small that a training step takes moments."""

import copy

import mmdet.models  # noqa: F401
import mmseg.models  # noqa: F401
import torch
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample

IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def retinanet(base_channels=4, neck_channels=8, **data_preprocessor):
    """Config of a RetinaNet-R18 with three pyramid levels."""
    return ConfigDict(
        type='mmdet.RetinaNet',
        data_preprocessor=dict(
            type='mmdet.DetDataPreprocessor',
            **{
                **IMAGENET,
                'bgr_to_rgb': True,
                'pad_size_divisor': 32,
                **data_preprocessor,
            },
        ),
        backbone=dict(
            type='mmdet.ResNet',
            depth=18,
            base_channels=base_channels,
            stem_channels=base_channels,
            norm_eval=False,
        ),
        neck=dict(
            type='mmdet.FPN',
            in_channels=[base_channels * 2**i for i in range(4)],
            out_channels=neck_channels,
            start_level=1,
            num_outs=3,
        ),
        bbox_head=dict(
            type='mmdet.RetinaHead',
            num_classes=2,
            in_channels=neck_channels,
            feat_channels=neck_channels,
            stacked_convs=1,
            anchor_generator=dict(
                type='mmdet.AnchorGenerator',
                octave_base_scale=4,
                scales_per_octave=1,
                ratios=[1.0],
                strides=[8, 16, 32],
            ),
            bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder'),
            loss_cls=dict(type='mmdet.FocalLoss', use_sigmoid=True),
            loss_bbox=dict(type='mmdet.L1Loss'),
        ),
        train_cfg=dict(
            assigner=dict(
                type='mmdet.MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.4,
                min_pos_iou=0,
            ),
            sampler=dict(type='mmdet.PseudoSampler'),
            allowed_border=-1,
            pos_weight=-1,
        ),
        test_cfg=dict(
            nms_pre=20,
            score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=5,
        ),
    )


def faster_rcnn(base_channels=4, neck_channels=8, cascade=False, **bbox_head):
    """Config of a Faster R-CNN R18 of three levels; RoIs come from two.

    With ``cascade`` it is a Cascade R-CNN of two stages.
    """
    bbox_head = dict(
        type='mmdet.Shared2FCBBoxHead',
        in_channels=neck_channels,
        fc_out_channels=8,
        roi_feat_size=3,
        num_classes=2,
        bbox_coder=dict(
            type='mmdet.DeltaXYWHBBoxCoder', target_stds=[0.1, 0.1, 0.2, 0.2]
        ),
        loss_cls=dict(type='mmdet.CrossEntropyLoss'),
        loss_bbox=dict(type='mmdet.L1Loss'),
    ) | {'reg_class_agnostic': cascade, **bbox_head}
    rcnn = dict(
        assigner=dict(
            type='mmdet.MaxIoUAssigner',
            pos_iou_thr=0.5,
            neg_iou_thr=0.5,
            min_pos_iou=0.5,
        ),
        sampler=dict(type='mmdet.RandomSampler', num=16, pos_fraction=0.25),
        pos_weight=-1,
    )
    proposals = dict(
        nms_pre=40,
        max_per_img=20,
        nms=dict(type='nms', iou_threshold=0.7),
        min_bbox_size=0,
    )
    one_stage = retinanet(base_channels, neck_channels)
    stages = dict(num_stages=2, stage_loss_weights=[1, 0.5]) if cascade else {}
    return ConfigDict(
        type='mmdet.FasterRCNN',
        data_preprocessor=one_stage.data_preprocessor,
        backbone=one_stage.backbone,
        neck=one_stage.neck,
        rpn_head=dict(
            type='mmdet.RPNHead',
            in_channels=neck_channels,
            feat_channels=neck_channels,
            anchor_generator=one_stage.bbox_head.anchor_generator,
            bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder'),
            loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
            loss_bbox=dict(type='mmdet.L1Loss'),
        ),
        roi_head=dict(
            type=f'mmdet.{"Cascade" if cascade else "Standard"}RoIHead',
            bbox_roi_extractor=dict(
                type='mmdet.SingleRoIExtractor',
                roi_layer=dict(type='RoIAlign', output_size=3),
                out_channels=neck_channels,
                featmap_strides=[8, 16],
                finest_scale=16,
            ),
            bbox_head=[bbox_head] * 2 if cascade else bbox_head,
            **stages,
        ),
        train_cfg=dict(
            rpn=dict(
                assigner=dict(
                    type='mmdet.MaxIoUAssigner',
                    pos_iou_thr=0.7,
                    neg_iou_thr=0.3,
                    min_pos_iou=0.3,
                ),
                sampler=dict(
                    type='mmdet.RandomSampler',
                    num=32,
                    pos_fraction=0.5,
                    add_gt_as_proposals=False,
                ),
                allowed_border=-1,
                pos_weight=-1,
            ),
            rpn_proposal=proposals,
            rcnn=[rcnn] * 2 if cascade else rcnn,
        ),
        test_cfg=dict(
            rpn=proposals,
            rcnn=dict(
                score_thr=0.0,
                nms=dict(type='nms', iou_threshold=0.5),
                max_per_img=5,
            ),
        ),
    )


def encoder_decoder(base_channels=4, **data_preprocessor):
    """Config of an FCN-R18 whose last stage has 8 x base_channels."""
    return ConfigDict(
        type='mmseg.EncoderDecoder',
        data_preprocessor=dict(
            type='mmseg.SegDataPreProcessor',
            **{
                **IMAGENET,
                'bgr_to_rgb': True,
                'size': (64, 64),
                **data_preprocessor,
            },
        ),
        backbone=dict(
            type='mmseg.ResNetV1c',
            depth=18,
            base_channels=base_channels,
            stem_channels=base_channels,
            norm_cfg=dict(type='BN'),
        ),
        decode_head=dict(
            type='mmseg.FCNHead',
            in_channels=8 * base_channels,
            in_index=3,
            channels=4,
            num_convs=1,
            dropout_ratio=0.1,
            num_classes=3,
            norm_cfg=dict(type='BN'),
            loss_decode=dict(type='mmseg.CrossEntropyLoss'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def prompt_tuning(teacher, teacher_ckpt, channels, source='neck', **kwargs):
    """Config of stage 1."""
    return ConfigDict(
        type='mmfreekd.FrequencyPromptTuning',
        architecture=teacher,
        teacher_ckpt=teacher_ckpt,
        channels=channels,
        source=source,
        **kwargs,
    )


def distiller(
    in_channels, channels, source='neck', num_levels=None, **freekd_loss
):
    """Config of a distiller with one FreeKDLoss on one layer."""
    recorders = dict(feature=dict(type='ModuleOutputs', source=source))
    return ConfigDict(
        type='mmfreekd.FreeKDDistiller',
        student_recorders=recorders,
        teacher_recorders=recorders,
        connectors=dict(
            align=dict(
                type='mmfreekd.FeatureAlignConnector',
                in_channels=in_channels,
                out_channels=channels,
                num_levels=num_levels,
            )
        ),
        distill_losses=dict(
            loss_freekd=dict(
                type='mmfreekd.FreeKDLoss',
                channels=channels,
                num_levels=num_levels,
                **freekd_loss,
            )
        ),
        loss_forward_mappings=dict(
            loss_freekd=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, connector='align'
                ),
                t_feature=dict(recorder='feature', from_student=False),
            )
        ),
    )


def with_loss(cfg, name, loss, source, t_source=None, align=None, **record):
    """Add a loss of one more layer's outputs to a distiller's config.

    ``align`` names a connector of the student, ``record`` goes into the
    mappings of both.
    """
    for who, layer in (('student', source), ('teacher', t_source or source)):
        cfg[f'{who}_recorders'] = dict(
            cfg[f'{who}_recorders'],
            **{name: dict(type='ModuleOutputs', source=layer)},
        )
    cfg.distill_losses[name] = loss
    cfg.loss_forward_mappings[name] = dict(
        s_feature=dict(
            recorder=name, from_student=True, connector=align, **record
        ),
        t_feature=dict(recorder=name, from_student=False, **record),
    )
    if align is None:
        del cfg.loss_forward_mappings[name].s_feature['connector']
    return cfg


def det_batch(sizes=((64, 64), (64, 64))):
    """What a data loader gives a detector: raw images, one box each."""
    inputs, samples = [], []
    for height, width in sizes:
        inputs.append(torch.randint(0, 256, (3, height, width)).byte())
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, width),
                scale_factor=(1.0, 1.0),
                ori_shape=(height, width),
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[4.0, 6.0, 36.0, 40.0]]),
            labels=torch.tensor([1]),
        )
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def seg_batch(sizes=((64, 64), (64, 64))):
    """What a data loader gives a segmenter: raw images, labelled pixels."""
    inputs, samples = [], []
    for height, width in sizes:
        inputs.append(torch.randint(0, 256, (3, height, width)).byte())
        sample = SegDataSample(
            metainfo=dict(img_shape=(height, width), ori_shape=(height, width))
        )
        sample.gt_sem_seg = PixelData(
            data=torch.randint(0, 3, (1, height, width))
        )
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def losses_of(model, batch):
    """The losses of a raw batch, as ``train_step`` computes them."""
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    return model(**data, mode='loss')


def total(losses):
    """What is optimised: everything with 'loss' in its name."""
    every = [
        value if isinstance(value, torch.Tensor) else sum(value)
        for name, value in losses.items()
        if 'loss' in name
    ]
    return sum(value.sum() for value in every)


def snapshot(module):
    """Copies of every parameter and every buffer, persistent or not."""
    return {
        name: tensor.detach().clone()
        for kind in (module.named_parameters(), module.named_buffers())
        for name, tensor in kind
    }


def train(model, batch, steps=2, lr=0.1):
    """Some steps of SGD with momentum and weight decay on all it trains."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr, 0.9, weight_decay=0.01)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        total(losses_of(model, batch)).backward()
        optimizer.step()
