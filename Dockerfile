# Pin the base where its registry can be asked for the digest: make image BASE=python:3.13-slim@sha256:…
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/eso
# Dependencies first, since they change less often than our code. Only wheels whose hash is in a lock are installed:
# nothing is built from source, nothing is resolved anew.
COPY requirements.lock requirements-build.lock ./
RUN pip --python /opt/eso/bin/python install --quiet --require-hashes --only-binary :all: -r requirements.lock \
 && pip install --quiet --require-hashes --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY eso ./eso
RUN pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir dist . \
 && pip --python /opt/eso/bin/python install --quiet --no-deps --no-index dist/*.whl \
 && /opt/eso/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/eso/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="external-secrets" \
      org.opencontainers.image.description="Keeps Kubernetes Secrets in step with the stores where they really live." \
      org.opencontainers.image.licenses="Apache-2.0"
# The container's file system is read-only and the official images carry no bytecode: without this every start compiles
# the standard library again. Unchecked, because the files never change. A running operator needs no pip.
RUN pip uninstall --yes --quiet --root-user-action=ignore pip \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -x '/(test|tests|idlelib|lib2to3|turtledemo|ensurepip|site-packages)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/eso /opt/eso
# pods that name the reference's program by its path find ours
RUN ln -s /opt/eso/bin/eso /bin/external-secrets
ENV PATH=/opt/eso/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /
USER 65532:65532
EXPOSE 8080 8081 8082 10250
# flags alone start the controller, a first word chooses another component
ENTRYPOINT ["eso"]
