FROM python:3.11.15-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/backstop
# The locked packages first: they change seldom, and this layer is then taken from the cache.
COPY requirements.lock ./
# The lock is complete: nothing is resolved, so nothing newer matters, and the result is checked below.
RUN /opt/backstop/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock
COPY pyproject.toml LICENSE ./
COPY app app
COPY migrations migrations
RUN /opt/backstop/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/backstop/bin/pip check

FROM python:3.11.15-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/backstop --create-home backstop \
    && install --directory --owner=backstop --mode=0700 /var/lib/backstop/data
COPY --from=build /opt/backstop /opt/backstop
# BACKSTOP_DATA_DIR matters only without DATABASE_URL: then the embedded PostgreSQL keeps its data
# there, and it should be a volume.
ENV PATH=/opt/backstop/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BACKSTOP_DATA_DIR=/var/lib/backstop/data \
    BACKSTOP_HOST=0.0.0.0 \
    BACKSTOP_PORT=8000
USER 10001
WORKDIR /var/lib/backstop
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['BACKSTOP_PORT']}/healthz\", timeout=2)"]
ENTRYPOINT ["backstop"]
CMD ["serve"]
