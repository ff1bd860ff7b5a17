# HyperFlow on a workstation or any other machine without a Jetson's GPU: the runtime with onnxruntime.
#
#   docker build -t hyperflow .
#   docker run --rm -v "$PWD/models:/models" hyperflow benchmark /models/desk.hyperflow
#
# With the tools that export a model (torch, CPU build):
#
#   docker build -t hyperflow-export --build-arg EXTRAS='[studio,mqtt,export]' \
#     --build-arg PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" .
#
# Any base image with Python 3.10 or newer and its venv module works.
ARG BASE_IMAGE=python:3.12-slim
FROM ${BASE_IMAGE}

ARG UID=1000
RUN useradd --uid "${UID}" --user-group --create-home hyperflow && \
    mkdir -p /models /data && \
    chown hyperflow:hyperflow /models /data

ENV PATH=/opt/hyperflow/bin:${PATH}
WORKDIR /opt/hyperflow/source
RUN python3 -m venv /opt/hyperflow

# What the project requires, before its source: a change there leaves this layer alone.
# The sample apps' libraries; OpenCV comes without windows, which need libraries that a container lacks.
ARG EXTRAS=[studio,mqtt]
ARG PIP_ARGS=
COPY pyproject.toml ./
COPY runtime/hyperflow_runtime/_version.py runtime/hyperflow_runtime/
RUN mkdir -p sdk/hyperflow export/hyperflow_export && touch README.md LICENSE && \
    pip install --no-cache-dir ${PIP_ARGS} ".${EXTRAS}" opencv-python-headless && \
    pip uninstall --yes hyperflow && rm -rf ./*

COPY pyproject.toml README.md LICENSE ./
COPY sdk sdk
COPY export export
COPY runtime runtime
RUN pip install --no-cache-dir --no-deps . && rm -rf ./*
COPY samples /opt/hyperflow/samples

USER hyperflow
WORKDIR /data
RUN python -c "import onnxruntime, hyperflow_runtime; print('onnxruntime', onnxruntime.__version__)"

ENV PYTHONUNBUFFERED=1
VOLUME ["/models", "/data"]
HEALTHCHECK --interval=5m --timeout=60s --start-period=30s CMD ["hyperflow-runtime", "doctor", "--json"]
ENTRYPOINT ["hyperflow-runtime"]
CMD ["doctor"]
