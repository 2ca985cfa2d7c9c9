#!/usr/bin/env bash
# The kernels' tests on an ARM processor, emulated: slow, and no measure of speed, but other instructions and another
# memory order. On Debian or Ubuntu, as root the first time:
#
#     bash tests/tools/arm.sh [FOLDER] [what pytest is to run]
#
# FOLDER (/tmp/minircnn-arm if absent) gets Debian's Python for arm64 with its libraries, unpacked and not installed, and
# the packages' aarch64 wheels; a second run finds them there.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-/tmp/minircnn-arm}
[ $# -gt 0 ] && shift
root=$folder/root site=$folder/site
mkdir -p "$folder/debs" "$root" "$site"
folder=$(cd "$folder" && pwd)

if ! command -v qemu-aarch64-static >/dev/null; then
    apt-get install -y -qq qemu-user-static >/dev/null || { echo "error: qemu-user-static is not to be had" >&2; exit 2; }
fi
emulated=(qemu-aarch64-static -L "$root")

if [ ! -e "$folder/unpacked" ]; then
    dpkg --print-foreign-architectures | grep -qx arm64 || { dpkg --add-architecture arm64; apt-get update -qq; }
    # All that python3 depends on; what only installs (debconf, dpkg) is unpacked too and does no harm.
    wanted=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances python3:arm64 python3-distutils:arm64 libgomp1:arm64 libstdc++6:arm64 |
        grep -E '^[a-z0-9.+-]+:arm64$' | sort -u)
    (cd "$folder/debs" && apt-get download -qq $wanted python3-distutils)
    for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$root"; done
    touch "$folder/unpacked"
fi
python=$(ls "$root"/usr/bin/python3.?? | head -1)
version=$(basename "$python" | sed 's/python//')
digits=${version/./}

if [ ! -e "$folder/installed" ]; then
    list=$("$here/.venv/bin/python" - "$here/pyproject.toml" <<'PY'
import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
needed = project["dependencies"] + project["optional-dependencies"]["test"]
screenless = {"opencv-contrib-python": "opencv-contrib-python-headless"}  # the other wants libraries of a screen
for one in needed:
    name = one.split(">")[0].strip()
    print(one.replace(" ", "").replace(name, screenless.get(name, name), 1))
PY
    )
    "$here/.venv/bin/pip" install --quiet --disable-pip-version-check --target "$site" --upgrade \
        --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux_2_28_aarch64 --python-version "$version" --implementation cp --abi "cp$digits" --abi abi3 \
        --abi none --only-binary=:all: $list
    touch "$folder/installed"
fi

export PYTHONPATH=$site:$here NUMBA_CACHE_DIR=$folder/numba PYTHONHOME=$root/usr PYTHONDONTWRITEBYTECODE=1
export MINIRCNN_EXAMPLES=${MINIRCNN_EXAMPLES:-3}
export NUMBA_NUM_THREADS=${NUMBA_NUM_THREADS:-2} OPENBLAS_NUM_THREADS=1
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
"${emulated[@]}" "$python" -c '
import platform, numba, numpy
import llvmlite.binding as llvm
print(platform.machine(), "Python", platform.python_version(), "numpy", numpy.__version__, "numba", numba.__version__,
      "for", llvm.get_host_cpu_name())'
cd "$here"
tests=("$@")
if [ ${#tests[@]} -eq 0 ]; then
    tests=(tests/test_conv.py tests/test_max_pool.py tests/test_roi_pool.py tests/test_roi_align.py
        tests/test_roi_average.py tests/test_spatial_pyramid.py tests/test_losses.py tests/test_boxes.py
        tests/test_scratch.py tests/test_vectors.py tests/test_checks.py tests/test_layers.py)
fi
# One test starts a Python of its own, which the system does not know how to run.
"${emulated[@]}" "$python" -m pytest -p no:cacheprovider -vv \
    --deselect tests/test_vectors.py::test_the_fast_convolutions_run_in_a_debugger "${tests[@]}"
