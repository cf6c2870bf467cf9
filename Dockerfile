# docker build -t trocr . && docker run --read-only --tmpfs /tmp -p 8000:8000 trocr
FROM python:3.11-slim

# Of PyTorch's wheels; for a GPU https://download.pytorch.org/whl/cu130 or the like.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

WORKDIR /build
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" \
        -c constraints.txt '.[serve,layout]' \
    && rm -rf /build/*

RUN useradd --uid 10001 --no-create-home trocr
USER trocr
WORKDIR /tmp
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1

EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["trocr", "serve", "--host", "0.0.0.0"]
