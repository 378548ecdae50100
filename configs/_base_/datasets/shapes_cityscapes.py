# the small segmentation set of benchmarks.shapes, Cityscapes format
make_data = 'cityscapes data/demo/cityscapes --size 96 96 --num-train 600 ' \
    '--num-val 100 --objects 2 5'
metric = 'mIoU'
splits = dict(val=dict())
data_root = 'data/demo/cityscapes/'
# the classes of Cityscapes that it draws
metainfo = dict(
    classes=('road', 'building', 'pole', 'traffic light', 'traffic sign',
             'car'),
    palette=[[128, 64, 128], [70, 70, 70], [153, 153, 153], [250, 170, 30],
             [220, 220, 0], [0, 0, 142]])
batch_size = 8

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CityscapesDataset',
        data_root=data_root,
        metainfo=metainfo,
        data_prefix=dict(
            img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesDataset',
        data_root=data_root,
        metainfo=metainfo,
        data_prefix=dict(
            img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
