# Server for exported models (ONNX) on a CPU, without torch.
#
#   kospan export outputs/mine exported
#   docker build --tag kospan-serve .
#   docker run --rm --publish 8000:8000 --volume "$PWD/exported:/models/mine:ro" kospan-serve /models/mine
FROM python:3.12-slim AS build
WORKDIR /source
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY kospan kospan
COPY modeling modeling
# Of the dependencies, only those of exported models and of the server.
RUN python -m venv /opt/kospan \
    && /opt/kospan/bin/pip install --no-cache-dir --constraint constraints.txt \
        numpy tokenizers transformers onnxruntime regex psutil fastapi uvicorn httptools uvloop prometheus-client \
    && /opt/kospan/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
COPY --from=build /opt/kospan /opt/kospan
RUN useradd --system --uid 10001 --no-create-home kospan
USER 10001
ENV PATH=/opt/kospan/bin:$PATH HOME=/tmp HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
ENTRYPOINT ["kospan", "serve", "--host", "0.0.0.0"]
