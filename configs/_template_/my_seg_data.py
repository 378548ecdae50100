# Your data as MMSegmentation takes it: images, and label images of the same
# name whose pixels hold 0, 1, ... by class and 255 for none. Only the lines
# marked CHANGE differ from project to project.
my_root = 'data/my_data/'  # CHANGE
my_classes = ('background', 'cat', 'dog')  # CHANGE
my_palette = [[0, 0, 0], [255, 128, 0], [0, 0, 255]]  # CHANGE: for pictures
my_train = dict(data_prefix=dict(
    img_path='images/train', seg_map_path='labels/train'))  # CHANGE
my_val = dict(data_prefix=dict(
    img_path='images/val', seg_map_path='labels/val'))  # CHANGE

my_dataset = dict(
    type='BaseSegDataset',
    img_suffix='.jpg',  # CHANGE
    seg_map_suffix='.png',  # CHANGE
    data_root=my_root,
    metainfo=dict(classes=my_classes, palette=my_palette))
my_data = dict(
    num_classes=len(my_classes),
    train=dict(dataset=dict(**my_dataset, **my_train)),
    val=dict(dataset=dict(**my_dataset, **my_val)))
