# The server: viewer and, if asked for, DICOM station. Needs no root, writes to /data and /tmp only.
#   docker build -t coldray .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -e COLDRAY_TOKEN -p 127.0.0.1:8765:8765 -v "$PWD/plant:/data" coldray
# In words: docs/howto/docker.md
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
ARG EXTRAS=view,pacs
ARG PIP_ARGS=
RUN python -m venv /opt/coldray \
 && /opt/coldray/bin/pip install --no-cache-dir $PIP_ARGS -c constraints.txt ".[$EXTRAS]" \
 && /opt/coldray/bin/coldray --licenses > /opt/coldray/LICENSES.txt

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin coldray \
 && install -d -o coldray -g coldray /data
COPY --from=build /opt/coldray /opt/coldray
ENV PATH=/opt/coldray/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8765 11112
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/health', timeout=4)"]
ENTRYPOINT ["coldray"]
# Refused without COLDRAY_TOKEN: an open address needs a secret.
CMD ["serve", "--host", "0.0.0.0"]
