"""Deep AutoAugment: augmentation policies by gradient matching."""
