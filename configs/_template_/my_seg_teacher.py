# step 1: a teacher for your classes, from its Cityscapes weights
_base_ = [
    'mmseg::pspnet/pspnet_r101-d8_4xb2-40k_cityscapes-512x1024.py',  # CHANGE: any segmenter
    './my_seg_data.py'
]
load_from = 'https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x1024_40k_cityscapes/pspnet_r101-d8_512x1024_40k_cityscapes_20200604_232751-467e7cf4.pth'  # CHANGE: its weights
model = dict(
    decode_head=dict(num_classes=_base_.my_data.num_classes),
    auxiliary_head=dict(num_classes=_base_.my_data.num_classes))
train_dataloader = _base_.my_data.train
val_dataloader = test_dataloader = _base_.my_data.val
