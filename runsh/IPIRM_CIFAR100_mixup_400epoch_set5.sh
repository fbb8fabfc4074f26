#!/usr/bin/env bash
# Trains IP-IRM with MixUp on CIFAR-100 for 400 epochs with the reference's settings (only the newest 5 partitions count), then runs its linear
# evaluation.
# Hardware: meant for one CUDA GPU; runs on a CPU too. 0.2 GB of disk for the data (scripts/download.sh CIFAR100).
# Time: 217 million views through ResNet-50 (each partition embeds the batch again: 3.75 on average) and 9 maximizations. On a
#   GPU: not measured by this project yet. On 2 CPU cores at about 37 views/s (--precision bf16): some 68 days.
# Expected: linear top-1 on the 10,000 test images: not measured by this project yet; no figure is published for it.
#
# usage: runsh/IPIRM_CIFAR100_mixup_400epoch_set5.sh [further flags, such as --resume or --precision bf16]
# Settings (configs/cifar100_mixup.yaml): lambda1 .2, lambda2 .5, temperature .2, a partition every 50 epochs, --mixup_max (online)
# --random_init --constrain --constrain_relax --keep_cont --retain_group --ours_mixup_mode full, and --retain_group_set 5. DEVICE, DATA_ROOT,
# RESULTS_ROOT and more: see train_and_evaluate.sh.
set -euo pipefail
# shellcheck source=runsh/train_and_evaluate.sh
source "$(dirname "${BASH_SOURCE[0]}")/train_and_evaluate.sh"
train_and_evaluate CIFAR100 cifar100_mixup.yaml --retain_group_set 5 "$@"
