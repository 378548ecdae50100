# the student, which can be trained alone for comparison
_base_ = [
    'mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py',  # CHANGE: any segmenter
    './my_seg_data.py'
]
model = dict(
    decode_head=dict(num_classes=_base_.my_data.num_classes),
    auxiliary_head=dict(num_classes=_base_.my_data.num_classes))
train_dataloader = _base_.my_data.train
val_dataloader = test_dataloader = _base_.my_data.val
