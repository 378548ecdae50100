# what every distillation needs: exact resuming, and students as plain files
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook'),
    dict(type='mmfreekd.FrequencyLogHook')
]
