# syntax=docker/dockerfile:1
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir --quiet uv && uv venv /opt/eso
# dependencies first: they change less often than our code
COPY pyproject.toml requirements.lock ./
RUN uv pip install --python /opt/eso/bin/python --constraint requirements.lock --requirements pyproject.toml
COPY README.md LICENSE ./
COPY eso ./eso
RUN uv pip install --python /opt/eso/bin/python --no-deps . \
 && /opt/eso/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/eso/lib

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="external-secrets" \
      org.opencontainers.image.description="Keeps Kubernetes Secrets in step with the stores where they really live." \
      org.opencontainers.image.licenses="Apache-2.0"
# The container's file system is read-only and the official images carry no bytecode: without this every start compiles the standard
# library again. Unchecked, because the files never change. pip has no business in a running operator.
RUN pip uninstall --yes --quiet --root-user-action=ignore pip \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/(test|tests|idlelib|lib2to3|turtledemo|ensurepip|site-packages)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/eso /opt/eso
# pods that name the reference's program by its path find ours
RUN ln -s /opt/eso/bin/eso /bin/external-secrets
ENV PATH=/opt/eso/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /
USER 65532:65532
EXPOSE 8080 8082
# flags alone start the controller, a first word chooses another component
ENTRYPOINT ["eso"]
