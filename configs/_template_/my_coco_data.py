# Your data in COCO format; only the lines marked CHANGE differ from project
# to project.
data_root = 'data/my_data/'  # CHANGE
classes = ('cat', 'dog')  # CHANGE: the names in the annotations, with a comma
train = dict(
    ann_file='annotations/train.json',  # CHANGE
    data_prefix=dict(img='train/'))  # CHANGE
val = dict(
    ann_file='annotations/val.json',  # CHANGE
    data_prefix=dict(img='val/'))  # CHANGE

my_data = dict(
    num_classes=len(classes),
    train=dict(
        dataset=dict(
            data_root=data_root, metainfo=dict(classes=classes), **train)),
    val=dict(
        dataset=dict(
            data_root=data_root, metainfo=dict(classes=classes), **val)),
    evaluator=dict(ann_file=data_root + val['ann_file']))
