"""PSA-GAN: realistic windows of time series, from coarse to fine.

Jeha et al., "PSA-GAN: Progressive Self Attention GANs for Synthetic Time Series", ICLR 2022.
"""
