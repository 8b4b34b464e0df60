# The fake NPU kit, for tests only: a device plugin, and pods that really start and answer. `tests/kind/run.py`
# puts the locked wheels for the base's Python into the context, so that nothing is fetched while building.
ARG BASE=python:3.13-slim-trixie
FROM ${BASE} AS builder
COPY wheels /wheels
RUN python3 -m venv /installer \
 && /installer/bin/python -m pip install --no-index --no-deps --no-compile --disable-pip-version-check \
      --target /opt/fakenpu /wheels/*.whl
COPY fakenpu /opt/fakenpu/fakenpu

FROM ${BASE}
COPY --from=builder /opt/fakenpu /opt/fakenpu
ENV PYTHONPATH=/opt/fakenpu PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "fakenpu"]
