# textured shapes in COCO's format: train, val to choose loss weights on,
# test to report, test_corrupted for robustness
make_data = 'coco data/textures/coco --scene textured --size 96 96 ' \
    '--num-train 1000 --num-val 200 --num-test 400 --objects 2 5 --corrupt'
data_root = 'data/textures/coco/'
metainfo = dict(
    classes=('stripes', 'checker', 'dots', 'rings', 'spokes', 'noise',
             'cross', 'frame'))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 96), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs',
         meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                    'scale_factor'))
]
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        metainfo=metainfo,
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=4),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=25,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        metainfo=metainfo,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric',
    ann_file=data_root + 'annotations/instances_val2017.json',
    metric='bbox')
test_evaluator = val_evaluator
test_ann = 'annotations/instances_test2017.json'
corrupted_ann = 'annotations/instances_test2017_corrupted.json'
# what makes val_dataloader and val_evaluator those of a split
splits = dict(
    val=dict(),
    test=dict(
        val_dataloader=dict(
            dataset=dict(
                ann_file=test_ann, data_prefix=dict(img='test2017/'))),
        val_evaluator=dict(ann_file=data_root + test_ann)),
    test_corrupted=dict(
        val_dataloader=dict(
            dataset=dict(
                ann_file=corrupted_ann,
                data_prefix=dict(img='test2017_corrupted/'))),
        val_evaluator=dict(ann_file=data_root + corrupted_ann)))
