# `make demo` runs the main job, `make test` the tests; both set up .venv in this checkout when it is absent.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# For a CPU-only torch of a few hundred MB: make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=
IMAGES ?=
BUNDLE := build/small.hyperflow
RENDERED := build/demo-images
SAMPLE_ENTRIES := camera_keys/teach.py folder_classifier/classify.py line_inspector/inspect_line.py line_inspector/draw_events.py \
  rendered_objects/render.py studio/studio.py triton_client/classify.py
CLASSIFY := $(BIN)/python samples/folder_classifier/classify.py --bundle $(BUNDLE) --picture build/demo.png --save build/demo.adaptation

.PHONY: demo studio test gpu gstreamer engines lint types imports check format clean

demo: $(VENV)/.demo
ifeq ($(strip $(IMAGES)),)
	$(BIN)/python samples/rendered_objects/render.py $(RENDERED)
	$(BIN)/hyperflow-export bundle models/small -o $(BUNDLE) --images $(RENDERED)/support --force
	$(CLASSIFY) $(RENDERED)/support $(RENDERED)/query
else
	$(BIN)/hyperflow-export bundle models/small -o $(BUNDLE) --images "$(IMAGES)" --force
	$(CLASSIFY) "$(IMAGES)"
endif

# The web app, with the camera that CAMERA names, the first one of this machine, or a rendered scene.
studio: $(VENV)/.samples
	[ -d $(BUNDLE) ] || $(BIN)/hyperflow-export bundle models/small -o $(BUNDLE)
	$(BIN)/python samples/studio/studio.py --bundle $(BUNDLE) $(if $(CAMERA),--camera "$(CAMERA)")

test: $(VENV)/.dev
	$(BIN)/python -m pytest

gpu: $(VENV)/.dev
	$(BIN)/pip install -q $(PIP_ARGS) -c constraints.txt -e ".[dev,pycuda]"
	$(BIN)/python -m pytest -m gpu tests/gpu

# The cameras' tests once more with Debian's OpenCV, which is built with GStreamer.
gstreamer:
	scripts/gstreamer_environment.sh build/gstreamer-env
	build/gstreamer-env/bin/python -m pytest tests/runtime/cameras

# Engines of every graph and precision, ahead of time, for every GPU that TensorRT for RTX builds the drift for.
engines: $(VENV)/.dev
	$(BIN)/python samples/rendered_objects/render.py $(RENDERED)
	for precision in fp32 fp16 int8; do \
	  images=$$([ $$precision != int8 ] || echo --calibration-images $(RENDERED)); \
	  $(BIN)/hyperflow-export bundle models/small --precision $$precision $$images -o build/small-$$precision.hyperflow --force; \
	  $(BIN)/hyperflow-export engine build/small-$$precision.hyperflow --target rtx --compute-capability 80,86,89,120,121 --cache build/engines --force; \
	done

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy
	MYPYPATH=sdk:export:runtime:benchmarks:benchmarks/studies $(BIN)/mypy --strict $(wildcard benchmarks/studies/*.py)
	for entry in $(SAMPLE_ENTRIES); do \
	  (cd samples/$$(dirname $$entry) && ../../$(BIN)/mypy --strict --config-file ../../pyproject.toml $$(basename $$entry)); \
	done
	MYPYPATH=scripts:runtime $(BIN)/mypy --strict scripts/check_arm64.py scripts/check_jetson_image.py scripts/emulation/answers.py
	MYPYPATH=tests/runtime/tensorrt $(BIN)/mypy --strict -p stand_in

imports: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types imports test

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "Installing python3-venv, which Debian and Ubuntu package apart from Python"; \
	  $$([ "$$(id -u)" = 0 ] || echo sudo) apt-get install -y python3-venv; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/pip install -q $(PIP_ARGS) -c constraints.txt -e ".[export]"
	touch $@

$(VENV)/.samples: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/pip install -q $(PIP_ARGS) -c constraints.txt -e ".[export,samples]"
	touch $@ $(VENV)/.demo

$(VENV)/.dev: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/pip install -q $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.demo $(VENV)/.samples
