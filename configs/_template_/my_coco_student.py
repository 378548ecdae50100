# the student, which can be trained alone for comparison
_base_ = [
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',  # CHANGE: any detector
    './my_coco_data.py'
]
model = dict(bbox_head=dict(num_classes=_base_.my_data.num_classes))
train_dataloader = _base_.my_data.train
val_dataloader = test_dataloader = _base_.my_data.val
val_evaluator = test_evaluator = _base_.my_data.evaluator
