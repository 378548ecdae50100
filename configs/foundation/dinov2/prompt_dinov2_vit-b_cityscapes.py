# stage 1: frequency prompts on DINOv2 ViT-B, without the labels of the data
_base_ = [
    'mmseg::_base_/datasets/cityscapes.py',
    '../../_base_/freekd/prompt_mmseg.py',
    '../../_base_/foundation/dinov2.py'
]
_base_.dinov2.data_preprocessor.size = (512, 1024)
model = dict(
    type='mmfreekd.FeatureFrequencyPromptTuning',
    architecture=_base_.dinov2,
    teacher_ckpt=_base_.dinov2_ckpt,
    source='backbone',
    channels=768)
val_evaluator = dict(_delete_=True, type='mmfreekd.EmbeddingError')
test_evaluator = val_evaluator
