# Wants BuildKit, which every engine since 2023 builds with; nothing here needs a newer syntax than its own.

# Both stages are the same Debian release: a binary linked against a newer C library than the
# runtime has does not start.
FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY . .
# What `purser_build_info` in /metrics calls this build.
ARG PURSER_COMMIT=
# The caches survive between builds, so an edit does not compile every dependency again. Cached
# directories are not part of the layer, so the program is copied out in the same step. Cargo goes by
# the files' times, and those of an older commit's sources are older than what the cache holds.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    touch src/lib.rs src/main.rs \
    && PURSER_COMMIT="$PURSER_COMMIT" cargo build --release --locked \
    && install -D target/release/purser /out/purser

FROM debian:trixie-slim
# ca-certificates: what amqps://, Postgres with sslmode=verify-full and jwks_url are checked
# against. curl: the health check. Debian removes superseded versions from its mirrors, so
# pinning these would only make the build fail one day.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 purser \
    && useradd --no-log-init --uid 10001 --gid purser --no-create-home --home-dir /var/lib/purser \
        --shell /usr/sbin/nologin purser \
    && install -d -o purser -g purser -m 0750 /var/lib/purser
COPY --from=build /out/purser /usr/local/bin/purser

# Holds what Purser writes: the SQLite ledger, if that is used, and the demo party's secret.
# Reads purser.toml from here if there is one.
WORKDIR /var/lib/purser
VOLUME /var/lib/purser
USER 10001:10001
# The default, 127.0.0.1, could not be reached from outside the container.
ENV PURSER__HTTP__LISTEN=0.0.0.0:8080
EXPOSE 8080
# Alive, not ready: a scheduler that replaces unhealthy containers must not kill Purser because
# the broker is away. It follows the port in PURSER__HTTP__LISTEN.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["sh", "-c", "exec curl --fail --silent --show-error --output /dev/null \"http://127.0.0.1:${PURSER__HTTP__LISTEN##*:}/healthz\""]
ENTRYPOINT ["purser"]
CMD ["serve"]
