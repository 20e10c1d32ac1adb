"""Denoising with trained models: devices, tiles, planes and stacks."""
