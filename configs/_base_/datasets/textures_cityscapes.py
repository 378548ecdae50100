# textured shapes in the format of Cityscapes: train, val to choose loss
# weights on, test to report, test_corrupted for robustness
make_data = 'cityscapes data/textures/cityscapes --scene textured ' \
    '--size 64 64 --num-train 600 --num-val 200 --num-test 400 --objects 3 6 --corrupt'
data_root = 'data/textures/cityscapes/'
# the classes of Cityscapes that it draws
metainfo = dict(
    classes=('road', 'building', 'fence', 'pole', 'traffic light',
             'traffic sign', 'vegetation', 'car'),
    palette=[[128, 64, 128], [70, 70, 70], [190, 153, 153], [153, 153, 153],
             [250, 170, 30], [220, 220, 0], [107, 142, 35], [0, 0, 142]])
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
    batch_size=8,
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
    batch_size=25,
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
# what makes val_dataloader that of a split
splits = dict(
    val=dict(),
    test=dict(
        val_dataloader=dict(
            dataset=dict(
                data_prefix=dict(
                    img_path='leftImg8bit/test', seg_map_path='gtFine/test')))),
    test_corrupted=dict(
        val_dataloader=dict(
            dataset=dict(
                data_prefix=dict(
                    img_path='leftImg8bit/test_corrupted',
                    seg_map_path='gtFine/test_corrupted')))))
