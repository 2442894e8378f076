"""From labelled pairs to a checkpoint: data, augmentation, negatives."""
