# The image of the operator: one interpreter, its libraries and KWatt. No shell, no package manager.
# BASE is any Debian with Python >= 3.11, venv and ldd; `make image` says how it is called.
ARG BASE=python:3.13-slim-trixie
FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
# A CA bundle of the building machine, where there is one: for the package index only, it stays in this stage.
COPY requirements.txt build/ca.cr[t] /build/
RUN python3 -m venv /build/venv \
 && if [ -f /build/ca.crt ]; then export PIP_CERT=/build/ca.crt; fi \
 && /build/venv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile --no-deps \
      --require-hashes --only-binary :all: --target /opt/kwatt/lib --requirement /build/requirements.txt \
 && rm -rf /opt/kwatt/lib/bin
COPY tests/release/image_root.py tests/release/sbom.py /build/
COPY operator/kwatt /opt/kwatt/lib/kwatt
RUN PYTHONDONTWRITEBYTECODE=1 python3 /build/image_root.py /opt/kwatt/lib /build/root \
 && PYTHONPATH=/opt/kwatt/lib PYTHONDONTWRITEBYTECODE=1 chroot /build/root /usr/bin/python3 -P -c \
      'import kwatt.cli.run, kwatt.cli.plan, kwatt.cluster.reading, highspy' \
 && find /build/root -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="kwatt" \
      org.opencontainers.image.description="Places inference services on NPUs within watt and throughput budgets" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /build/root/ /
ENV PATH=/usr/bin PYTHONPATH=/opt/kwatt/lib PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1 LANG=C.UTF-8
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/python3", "-m", "kwatt"]
