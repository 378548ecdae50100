# step 1: a teacher for your classes, from its COCO weights
_base_ = [
    'mmdet::retinanet/retinanet_r101_fpn_1x_coco.py',  # CHANGE: any detector
    './my_coco_data.py'
]
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_1x_coco/retinanet_r101_fpn_1x_coco_20200130-7a93545f.pth'  # CHANGE: its weights
model = dict(bbox_head=dict(num_classes=_base_.my_data.num_classes))
train_dataloader = _base_.my_data.train
val_dataloader = test_dataloader = _base_.my_data.val
val_evaluator = test_evaluator = _base_.my_data.evaluator
