#!/usr/bin/env bash
# Make an environment in which the cameras' tests see Debian's OpenCV, which has GStreamer; pip's has not.
#
#   scripts/gstreamer_environment.sh build/gstreamer-env
#   build/gstreamer-env/bin/python -m pytest -m gstreamer tests/runtime/cameras
#
# Needs: apt install python3-venv python3-opencv python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-tools
#   gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
#   gstreamer1.0-libav
set -euo pipefail

target="${1:?where to, as in: $0 build/gstreamer-env}"
project="$(cd "$(dirname "$0")/.." && pwd)"

if ! /usr/bin/python3 -c 'import cv2, re; assert re.search(r"GStreamer:\s+YES", cv2.getBuildInformation())'; then
  echo "/usr/bin/python3 has no OpenCV with GStreamer: sudo apt install python3-opencv" >&2
  exit 1
fi
[ -x "$target/bin/python" ] || /usr/bin/python3 -m venv --system-site-packages "$target"
# Debian's OpenCV is built for numpy 1; its own numpy stays.
"$target/bin/pip" install -q "numpy<2" "onnxruntime>=1.20,<1.24" "pillow>=10.1" "msgspec>=0.19" "click>=8.1" \
  "rich>=13.0" "pytest>=8.0" "hypothesis>=6.100"
packages="$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
echo "$project/runtime" > "$packages/hyperflow_runtime.pth"
"$target/bin/python" -c 'import hyperflow_runtime, cv2; print("ready: OpenCV", cv2.__version__, "with GStreamer")'
