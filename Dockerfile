# Tollgate's image: one binary in an empty file system, as a user without rights. For docker, podman and buildah:
#
#   docker build -t tollgate:0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/tollgate:0.1.0 --push .
#   buildah build --format docker -t tollgate:0.1.0 .        (--format docker keeps the health check)
#
# Without a base image to pull, from a binary that is already built: scripts/image.

ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches belong to one platform each, so that builds for several do not mix their objects.
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=tollgate-target-${TARGETARCH} \
    cargo build --release --locked --package tollgate \
    && cargo run --release --locked --package xtask -- sbom --output /sbom.cdx.json \
    && scripts/rootfs target/release/tollgate /rootfs /sbom.cdx.json

FROM scratch
COPY --from=build /rootfs/ /
ARG VERSION=0.1.0
ARG REVISION
LABEL org.opencontainers.image.title="tollgate" \
      org.opencontainers.image.description="Authorization and token accounting for AI gateways: one binary beside Envoy." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      tollgate.sbom="/usr/share/doc/tollgate/sbom.cdx.json"
ENV PATH=/usr/local/bin \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
WORKDIR /
# People and probes, checks over gRPC, checks over HTTP, Prometheus.
EXPOSE 3000 3001 3002 9464
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 CMD ["tollgate", "healthcheck"]
ENTRYPOINT ["tollgate"]
CMD ["serve"]
