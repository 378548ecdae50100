# Your data in COCO format; only the lines marked CHANGE differ from project
# to project.
my_root = 'data/my_data/'  # CHANGE
my_classes = ('cat', 'dog')  # CHANGE: the names in the annotations
my_train = dict(
    ann_file='annotations/train.json',  # CHANGE
    data_prefix=dict(img='train/'))  # CHANGE
my_val = dict(
    ann_file='annotations/val.json',  # CHANGE
    data_prefix=dict(img='val/'))  # CHANGE

my_dataset = dict(data_root=my_root, metainfo=dict(classes=my_classes))
my_data = dict(
    num_classes=len(my_classes),
    train=dict(dataset=dict(**my_dataset, **my_train)),
    val=dict(dataset=dict(**my_dataset, **my_val)),
    evaluator=dict(ann_file=my_root + my_val['ann_file']))
