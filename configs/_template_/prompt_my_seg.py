# step 2: frequency prompts on the teacher
_base_ = [
    'mmseg::_base_/datasets/cityscapes.py',
    '../_base_/freekd/prompt_mmseg.py', './my_seg_data.py'
]
model = dict(
    architecture=dict(cfg_path='{{ fileDirname }}/my_seg_teacher.py'),
    teacher_ckpt='work_dirs/my_seg_teacher/iter_40000.pth',
    source='backbone.layer4',  # CHANGE: the last layer of its backbone
    channels=2048)  # CHANGE: of that layer
train_dataloader = _base_.my_data.train
val_dataloader = test_dataloader = _base_.my_data.val
