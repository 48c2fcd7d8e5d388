#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks and times the model on a CUDA GPU, in less than 8 minutes. It downloads nothing and needs no ROS.
#
# usage: tools/gpu_check.sh [--cpu]     --cpu: run the same code on the CPU, with small numbers
#
# It uses the torch of $PYTHON (default: python3). Packages that this Python lacks are installed for this run from
# .whl/ (not in git). On a machine with a package index:
#   pip wheel --no-deps -w .whl openai-whisper && pip download --no-deps -d .whl more-itertools
# Exit code: 0 passed, 1 the GPU's answers differ from the CPU's, 2 no CUDA device, 124 out of time.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if compgen -G '.whl/*.whl' > /dev/null; then
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" .whl/*.whl
fi
PYTHONPATH="$PWD:$site${PYTHONPATH:+:$PYTHONPATH}" timeout 470 "$python" tools/gpu_check.py "$@"
