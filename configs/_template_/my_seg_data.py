# Your data as MMSegmentation takes it: images, and label images of the same
# name whose pixels hold 0, 1, ... by class and 255 for none. Only the lines
# marked CHANGE differ from project to project.
data_root = 'data/my_data/'  # CHANGE
classes = ('background', 'cat')  # CHANGE
palette = [[0, 0, 0], [255, 128, 0]]  # CHANGE: a colour for each, for pictures
train = dict(
    data_prefix=dict(  # CHANGE
        img_path='images/train', seg_map_path='labels/train'))
val = dict(
    data_prefix=dict(  # CHANGE
        img_path='images/val', seg_map_path='labels/val'))
dataset = dict(
    type='BaseSegDataset',
    data_root=data_root,
    metainfo=dict(classes=classes, palette=palette),
    img_suffix='.jpg',  # CHANGE
    seg_map_suffix='.png')  # CHANGE

my_data = dict(
    num_classes=len(classes),
    train=dict(dataset=dict(**dataset, **train)),
    val=dict(dataset=dict(**dataset, **val)))
